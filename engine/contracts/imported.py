"""`import.json`: which files an imported or watched run was read from."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engine.contracts.attempt_records import Record
from engine.contracts.result import Artifact
from engine.files.atomic import write_text

BESIDE = "results beside the log"
"""The role of a file of results that is not the console of its attempt."""
OUTPUTS = ("best", "last")
INPUTS = ("weights",)


def storable(path: Path) -> str:
    """The path as text that JSON takes: what is no UTF-8 in it is written as an escape."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class SourceFile(BaseModel):
    """A file that a run was read from, or that it left behind."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    role: str
    """`log`, `results`, `event file`, `options`, `BESIDE`, or that of weights: `best`, `last`, `weights` (first)."""
    size: int
    """Bytes that belong to the run."""
    sha256: str
    """Of these bytes."""
    modified_ns: int = 0
    attempt: int = 0
    """The attempt that it belongs to; 0 for what belongs to the run as a whole."""
    begins: int = 0
    """The first byte that belongs to the run: a log may hold several."""


class ImportRecord(Record):
    """Written when a run is imported, and again when its files have changed."""

    folder: str = ""
    """The trainer's own folder of the run; empty where there is only a log."""
    files: list[SourceFile] = Field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_text(path, self.model_dump_json(indent=1))

    def consoles(self) -> list[SourceFile]:
        """What the console of each attempt is a copy of, oldest first."""
        of_attempts = [file for file in self.files if file.attempt and file.role != BESIDE]
        return sorted(of_attempts, key=lambda file: file.attempt)

    def artifacts(self) -> list[Artifact]:
        """Weights that the run left, where the trainer put them."""
        return [_artifact(file) for file in self.files if file.role in OUTPUTS]

    def inputs(self) -> list[Artifact]:
        """Weights that it began with."""
        return [_artifact(file) for file in self.files if file.role in INPUTS]


def _artifact(file: SourceFile) -> Artifact:
    return Artifact(role=file.role, path=file.path, size_bytes=file.size, sha256=file.sha256)
