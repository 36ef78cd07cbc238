"""`import.json`: the source files of an imported or watched run."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engine.contracts.attempt_records import Record
from engine.contracts.result import Artifact
from engine.files.atomic import write_text

BESIDE = "results beside the log"
"""Role of sidecar results, which are not the console of their attempt."""
OUTPUTS = ("best", "last")
INPUTS = ("weights",)


def storable(path: Path) -> str:
    """Return the path as text for JSON; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class SourceFile(BaseModel):
    """A file that a run was read from, or that it wrote."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    role: str
    """`log`, `results`, `event file`, `options`, `BESIDE`, or for weights `best`, `last`, `weights` (initial)."""
    size: int
    """Number of bytes that belong to the run."""
    sha256: str
    """Of these bytes."""
    modified_ns: int = 0
    attempt: int = 0
    """Number of the attempt; 0 for a file of the whole run."""
    begins: int = 0
    """Offset of the run's first byte: a log may hold several runs."""


class ImportRecord(Record):
    """Written when a run is imported, and again when its files have changed."""

    folder: str = ""
    """The trainer's output folder; empty if there is only a log."""
    files: list[SourceFile] = Field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_text(path, self.model_dump_json(indent=1))

    def consoles(self) -> list[SourceFile]:
        """Return the file that was copied into the console of each attempt, oldest first."""
        of_attempts = [file for file in self.files if file.attempt and file.role != BESIDE]
        return sorted(of_attempts, key=lambda file: file.attempt)

    def artifacts(self) -> list[Artifact]:
        """Return the weights that the trainer wrote, at their original paths."""
        return [_artifact(file) for file in self.files if file.role in OUTPUTS]

    def inputs(self) -> list[Artifact]:
        """Return the initial weights."""
        return [_artifact(file) for file in self.files if file.role in INPUTS]


def _artifact(file: SourceFile) -> Artifact:
    return Artifact(role=file.role, path=file.path, size_bytes=file.size, sha256=file.sha256)
