"""`spec.yaml`: the fully resolved specification of a run."""

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
"""The `stage` of a run that executes a command and not one of our stages."""


class Resources(BaseModel):
    """Devices that a run leases while it computes; it is queued until they are free."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: int | list[str] = 0
    """Number of GPUs, or specific ones by nvidia-smi index or UUID."""
    among: list[str] | None = None
    """GPUs to choose from; None for all."""
    memory: int = Field(default=0, ge=0)
    """Bytes on each GPU, which is shared with other runs that set this; 0 for the whole GPU."""
    cpu: bool = False
    """Lease the CPU lane."""
    restrict: bool = True
    """Hide other GPUs from the run. False if it selects one by its index among all."""

    def __bool__(self) -> bool:
        return bool(self.gpus) or self.cpu


class RunSpec(BaseModel):
    """Specification of a run. Written once, before the first attempt starts."""

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
    """Runs launched together as one pipeline share a group."""
    pipeline: str | None = None
    step: str | None = None
    """The name of this run inside its pipeline."""
    parents: list[str] = Field(default_factory=list)
    """Ids of the runs that must succeed before this one starts."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Role → path relative to the run folder, of every file that must exist for the run to succeed."""
    resources: Resources = Resources()
    retry: int = Field(default=0, ge=0)
    """Maximum number of automatic retries after a failed attempt."""
    time_limit: float = Field(default=0.0, ge=0)
    """Seconds after which the run is stopped; 0 for no limit."""
    slurm: SlurmOptions | None = None
    """Options for Slurm; None for a run on this machine."""
    source: Literal["launched", "imported", "watched"] = "launched"
    imported_from: str | None = None
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def write(self, path: Path, mode: int = UMASK_DECIDES) -> None:
        """Write as YAML, atomically, one value per line (the folder must exist).

        Args:
            mode: permissions before the umask is applied.
        """
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=1 << 30)
        write_text(path, text, mode=mode)

    @classmethod
    def read(cls, path: Path) -> "RunSpec":
        """Read `spec.yaml`.

        Raises:
            YoloqatError: the file is missing, not YAML, or does not match the model.
        """
        try:
            return cls.model_validate(load_yaml(read_regular(path, YAML_BYTES).decode()))
        except (OSError, yaml.YAMLError, ValueError) as error:
            raise YoloqatError(f"cannot read the run's specification: {_describe(error)}", where=str(path)) from error


def _describe(error: Exception) -> str:
    """Return the message of an error; that of a validation error without the values, which may be megabytes."""
    if isinstance(error, ValidationError):
        details = error.errors(include_url=False, include_input=False)[:3]
        return "; ".join(f"`{'.'.join(map(str, item['loc']))}`: {item['msg']}" for item in details)
    return str(error)
