"""The settings file, which holds for all commands of a user."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from app.workspace.settings_path import settings_path
from engine.contracts.errors import YoloqatError

Event = Literal[
    "success", "failure", "stall", "retry", "time-limit", "nan", "spike", "best", "falling", "disk", "gpu-idle"
]
"""What a run may be reported for."""
_ALL_BUT_BEST: list[Event] = [event for event in get_args(Event) if event != "best"]
"""A new best comes with nearly every epoch of a training that is young."""
_WebAddress = Annotated[str, Field(pattern=r"^https?://")]


def _as_topic(value: Any) -> Any:
    return {"topic": value} if isinstance(value, str) else value


class NtfyTopic(BaseModel):
    """A topic of ntfy, where a phone or a browser shows the messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: Annotated[str, Field(pattern=r"^https?://[^/]+/[-_A-Za-z0-9]{1,64}/?$")]
    """Its address: `https://ntfy.sh/my-topic`."""
    token: str | None = None
    """The access token of a protected topic."""


class TelegramChat(BaseModel):
    """A chat that a bot writes into."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str
    """The bot's, from @BotFather."""
    chat: int | str
    """The number of the chat, or `@channel`."""
    server: _WebAddress = "https://api.telegram.org"
    """Another one where a Bot API server of one's own is used."""


class Notify(BaseModel):
    """What to notify whom of. The runner does it, so no other process is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = None
    """Shell command; the environment has YOLOQAT_TEXT, YOLOQAT_RUN, YOLOQAT_EVENT …"""
    webhook: _WebAddress | None = None
    """Receives a POST of JSON with `text`, `run`, `event` …"""
    ntfy: Annotated[NtfyTopic | None, BeforeValidator(_as_topic)] = None
    """Address of a topic, or `topic` and `token`."""
    slack: _WebAddress | None = None
    """Address of an incoming webhook."""
    discord: _WebAddress | None = None
    """Address of a channel's webhook."""
    telegram: TelegramChat | None = None
    terminal: bool = False
    """Bell and desktop notification (OSC 9) on the terminal that the run was launched from."""
    on: list[Event] = _ALL_BUT_BEST
    falling_epochs: int = Field(default=5, ge=2)
    """How many validations in a row must each be worse than the one before for an alert."""
    gpu_idle_minutes: float = Field(default=10.0, gt=0)
    """How long a GPU must do nothing for an alert."""

    @model_validator(mode="before")
    @classmethod
    def _read_on(cls, values: Any) -> Any:
        """YAML 1.1 reads the key `on` as true."""
        if isinstance(values, dict) and True in values:
            return {("on" if key is True else key): value for key, value in values.items()}
        return values


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
