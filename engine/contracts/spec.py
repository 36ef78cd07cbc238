"""`spec.yaml`: what was asked of a run, fully resolved."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.contracts.bounded_yaml import load_yaml
from engine.contracts.errors import YoloqatError
from engine.contracts.slurm import SlurmOptions
from engine.files.atomic import UMASK_DECIDES, write_text
from engine.files.safe_open import YAML_BYTES, read_regular

COMMAND = "command"
"""The `stage` of a run that is any command, not one of our stages."""


class Resources(BaseModel):
    """What a run needs to itself while it computes; it waits in line for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: int | list[str] = 0
    """How many, whichever are free; or which, by index as nvidia-smi counts or by UUID."""
    among: list[str] | None = None
    """Which of them it may have; None for all."""
    memory: int = Field(default=0, ge=0)
    """Bytes on each GPU. With it the GPU is shared with other runs that say how much they need; 0 is all of it."""
    cpu: bool = False
    """A slot of the CPU lane."""
    restrict: bool = True
    """Show the run its own GPUs alone. False where it picks one by its number among all."""

    def __bool__(self) -> bool:
        return bool(self.gpus) or self.cpu


class RunSpec(BaseModel):
    """One run as it was asked for. Written once, before the first attempt starts."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    id: str
    name: str
    """The name given at launch; a later rename lives in `user.json`."""
    stage: str
    """`retrain`, `ptq`, … for our stages, `command` for anything else."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The stage's options by field name, defaults included (empty for a command)."""
    command: list[str] = Field(default_factory=list)
    """argv that the runner executes (empty for an imported run)."""
    cwd: str = ""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables set on top of the launcher's environment. Never secrets."""
    group: str | None = None
    """Runs launched together, as one pipeline, share a group."""
    pipeline: str | None = None
    step: str | None = None
    """The name of this run inside its pipeline."""
    parents: list[str] = Field(default_factory=list)
    """Ids of the runs that must succeed before this one starts."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Role → path relative to the run folder, of every file that a success must leave."""
    resources: Resources = Resources()
    retry: int = Field(default=0, ge=0)
    """How many attempts may follow one that did not come to its end, without anybody asking."""
    time_limit: float = Field(default=0.0, ge=0)
    """Seconds after which it is stopped; 0 for no limit."""
    slurm: SlurmOptions | None = None
    """What it asks of Slurm, which runs it; None for a run on this machine."""
    source: Literal["launched", "imported", "watched"] = "launched"
    imported_from: str | None = None
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def write(self, path: Path, mode: int = UMASK_DECIDES) -> None:
        """Write as YAML, atomically, each value on a line of its own (the folder must exist).

        Args:
            mode: permissions before the umask takes its bits away.
        """
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=1 << 30)
        write_text(path, text, mode=mode)

    @classmethod
    def read(cls, path: Path) -> "RunSpec":
        """Read `spec.yaml`.

        Raises:
            YoloqatError: the file is missing, no YAML, or of another shape.
        """
        try:
            return cls.model_validate(load_yaml(read_regular(path, YAML_BYTES).decode()))
        except (OSError, yaml.YAMLError, ValueError) as error:
            raise YoloqatError(f"cannot read the run's specification: {_describe(error)}", where=str(path)) from error


def _describe(error: Exception) -> str:
    """Return an error in words; a validation error without the values, which may be megabytes."""
    if isinstance(error, ValidationError):
        mistakes = error.errors(include_url=False, include_input=False)[:3]
        return "; ".join(f"`{'.'.join(map(str, item['loc']))}`: {item['msg']}" for item in mistakes)
    return str(error)
