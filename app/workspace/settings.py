"""The settings file, which holds for all commands of a user."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.workspace.settings_path import settings_path
from engine.contracts.errors import YoloqatError


class Notify(BaseModel):
    """How to notify when a run ends or stalls. The runner does it, so no other process is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = None
    """Shell command; the environment has YOLOQAT_TEXT, YOLOQAT_RUN, YOLOQAT_EVENT …"""
    webhook: str | None = Field(default=None, pattern=r"^https?://")
    """Receives a POST of JSON with `text`, `run`, `event` …"""
    terminal: bool = False
    """Bell and desktop notification (OSC 9) on the terminal that the run was launched from."""
    on: list[Literal["success", "failure", "stall"]] = ["success", "failure", "stall"]


class Settings(BaseModel):
    """`settings.yaml` in the platform's configuration folder. The file and every key are optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: Path | None = None
    """The workspace, unless `--workspace` or YOLOQAT_WORKSPACE is set."""
    engine_python: Path | None = None
    """The Python that runs our stages, unless `--engine-python` is set; this one when None."""
    notify: Notify = Notify()
    shared: bool = False
    """Let the group read the records of new runs that may hold secrets: command lines and environments, masked."""
    cpu_lane: int | None = Field(default=None, ge=0)
    """How many stages may compute on the CPU at a time, unless YOLOQAT_CPU_LANE is set; 0 for no limit."""


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        YoloqatError: the file exists and cannot be read, is not YAML, or has unknown keys.
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
        what = f"invalid settings: {mistakes}"
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        what = f"cannot read the settings: {error}"
    raise YoloqatError(what, where=str(path), hint="Correct the file or remove it.")
