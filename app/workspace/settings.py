"""The settings file: what a user decides once, for all commands."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.workspace.settings_path import settings_path
from engine.contracts.errors import YoloqatError


class Notify(BaseModel):
    """Whom to tell when a run ends or falls silent. The runner does it, also with nothing else alive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = None
    """For the shell; YOLOQAT_TEXT, YOLOQAT_RUN, YOLOQAT_EVENT … say what has happened."""
    webhook: str | None = Field(default=None, pattern=r"^https?://")
    """Gets a POST of JSON with `text`, `run`, `event` …"""
    terminal: bool = False
    """Bell and desktop notification (OSC 9) on the terminal that the run was launched from."""
    on: list[Literal["success", "failure", "stall"]] = ["success", "failure", "stall"]


class Settings(BaseModel):
    """`settings.yaml` in the platform's configuration folder. Nothing in it is required, nor is the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: Path | None = None
    """The workspace where neither `--workspace` nor YOLOQAT_WORKSPACE says another one."""
    engine_python: Path | None = None
    """The Python that runs our stages, where `--engine-python` says nothing else; this one when None."""
    notify: Notify = Notify()
    shared: bool = False
    """Let the group read the records of new runs that may hold secrets: command lines and environments, masked."""
    cpu_lane: int | None = Field(default=None, ge=0)
    """How many stages may compute on the CPU at a time, where YOLOQAT_CPU_LANE says nothing else; 0 for any number."""


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        YoloqatError: the file is there and cannot be read, is no YAML, or has keys that don't exist.
    """
    path = path or settings_path()
    if not path.exists():
        return Settings()
    import yaml

    from engine.contracts.bounded_yaml import read_yaml

    try:
        return Settings.model_validate(read_yaml(path) or {})
    except ValidationError as error:
        mistakes = "; ".join(f"`{'.'.join(map(str, item['loc']))}`: {item['msg']}" for item in error.errors())
        what = f"the settings cannot be used: {mistakes}"
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        what = f"the settings cannot be read: {error}"
    raise YoloqatError(what, where=str(path), hint="Correct the file or remove it.")
