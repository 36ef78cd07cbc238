"""What an import read from each file, and in all."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.discovery.group_files import LOG, DiscoveredRun

Status = Literal["new", "grown", "known", "not read"]


@dataclass(frozen=True)
class ImportReport:
    """What was read from one file for one run; a log of several runs has several reports."""

    path: Path
    run_id: str
    """Empty if the file was not read, or on a dry run."""
    name: str
    epochs: int
    evaluations: int
    """Without the validations of epochs."""
    lines: int
    not_understood: int
    is_new: bool
    """Whether this import created the run."""
    dialect: str = ""
    """The dialect as text: `trtexec (unverified)`; empty if none was detected."""
    role: str = LOG
    """`log`, `results`, `event file`, `options`, `best`, `last`."""
    status: Status = "new"
    """`grown`: the run exists, and new lines of it were read."""
    begins: int = 0
    """Offset of its first byte in the file."""
    reason: str = ""
    """Why the file was not read; else empty."""


@dataclass(frozen=True)
class ImportSummary:
    """What was read from all paths."""

    files: tuple[ImportReport, ...]
    runs: int
    """The number of runs in the files."""
    others: int
    """The number of files in the trees that are no logs, results or options."""

    def count(self, status: Status) -> int:
        """Count the runs of a status."""
        return len({(file.run_id, file.name) for file in self.files if file.status == status and status != "not read"})

    @property
    def sentence(self) -> str:
        """The numbers of new, grown and known runs, and of files that were not read."""
        counts = [(self.count("new"), "new"), (self.count("grown"), "grown"), (self.count("known"), "known")]
        parts = [f"{count} {word}" for count, word in counts if count]
        failed = sum(file.status == "not read" for file in self.files)
        parts += [_counted(failed, "file") + " not read"] if failed else []
        parts += [_counted(self.others, "file") + " of other kinds"] if self.others else []
        nothing = "" if self.count("new") or self.count("grown") else "nothing to add; "
        return f"{nothing}{_counted(self.runs, 'run')}: {', '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def reports_of(run: DiscoveredRun) -> Iterator[ImportReport]:
    """Report what was read from each file of a run."""
    pieces = list(run.consoles)
    if run.results is not None and run.results not in pieces:
        pieces.append(run.results)
    for piece in pieces:
        part = piece.part
        yield ImportReport(
            path=piece.file.path.absolute(),
            run_id="",
            name="",
            epochs=len(part.epochs),
            evaluations=len(part.evaluations),
            lines=part.lines,
            not_understood=part.not_understood,
            is_new=True,
            dialect=f"{part.dialect} ({piece.file.container_text})" if piece.file.containers else part.dialect,
            role=piece.role,
            begins=piece.part.begins,
        )
    for copy in run.copies:
        yield not_read(copy.file.path, f"has the same training as {pieces[0].file.path.name}", copy.role)
    for path in run.option_files:
        yield replace(_EMPTY, path=path.absolute(), role="options", lines=_line_count(path), dialect=path.name)
    for role, path in run.weights:
        if os.access(path, os.R_OK):
            yield replace(_EMPTY, path=path.absolute(), role=role)
        else:
            yield not_read(path, "cannot be read: permission denied", role)


_EMPTY = ImportReport(Path(), "", "", 0, 0, 0, 0, is_new=True)


def not_read(path: Path, reason: str, role: str) -> ImportReport:
    return replace(_EMPTY, path=path.absolute(), role=role, is_new=False, status="not read", reason=reason)


def _line_count(path: Path) -> int:
    return sum(1 for line in path.read_bytes().splitlines() if line.strip())
