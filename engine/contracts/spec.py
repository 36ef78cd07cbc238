"""`spec.yaml`: what was asked of a run, fully resolved."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.contracts.errors import YoloqatError

COMMAND = "command"
"""The `stage` of a run that is any command, not one of our stages."""


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
    source: Literal["launched", "imported", "watched"] = "launched"
    imported_from: str | None = None
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def write(self, path: Path) -> None:
        """Write as YAML, each value on a line of its own (the folder must exist)."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=1 << 30)
        path.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "RunSpec":
        """Read `spec.yaml`.

        Raises:
            YoloqatError: the file is missing, no YAML, or of another shape.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
            raise YoloqatError(f"cannot read the run's specification: {error}", where=str(path)) from error
