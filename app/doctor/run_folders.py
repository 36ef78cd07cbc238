"""Run folders that hold what does not belong there: damaged records, odd files, copies."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from app.doctor.finding import Finding, Level
from app.workspace.user_file import kept_aside, read_annotations
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.files.json_records import read_json
from engine.files.safe_open import RECORD_BYTES, YAML_BYTES, wrong_kind

_MOST = 20
"""Rows of one kind; a workspace that somebody sent may hold thousands."""
_FOLDERS = ("attempts", "weights", "export", "plots", "data")


def check_run_folders(workspace: Workspace) -> Iterator[Finding]:
    """Name each run folder with something in it that is not read, and what that is."""
    findings = list(_findings(workspace))
    if not findings:
        yield Finding(Level.OK, "run folders", f"{len(workspace.run_folders())} sound")
    yield from findings[:_MOST]
    if len(findings) > _MOST:
        yield Finding(Level.WARNING, "run folders", f"{len(findings) - _MOST} more of this kind")


def _findings(workspace: Workspace) -> Iterator[Finding]:
    for name in sorted(workspace.folder_names()):
        folder = workspace.run(name)
        for what, hint in _oddities(folder):
            yield Finding(Level.WARNING, "run folders", f"runs/{name}: {what}", hint)


def _oddities(folder: RunFolder) -> Iterator[tuple[str, str]]:
    yield from _odd_files(folder)
    if folder.spec.is_file() and not folder.spec.is_symlink():
        try:
            spec_id = RunSpec.read(folder.spec).id
        except YoloqatError as error:
            yield " ".join(error.what.split())[:200], "Correct spec.yaml; log and results are shown without it."
        else:
            if spec_id != folder.id:
                yield f"is a copy of {spec_id}", "It is a run of its own: `yoloqat delete` takes it away."
    _, damage = read_annotations(folder)
    if damage:
        yield damage, "Correct it, or change name, tags or note: it is then kept under another name."
    for path in kept_aside(folder):
        yield f"{path.name} was kept when user.json could not be read", "Take over by hand what it holds; delete it."


def _odd_files(folder: RunFolder) -> Iterator[tuple[str, str]]:
    """Records that are no regular files, or larger than any record can be; folders that are links."""
    newest = [attempt.path for attempt in folder.attempts()[-1:]]
    for path in [folder.path, *(folder.path / name for name in _FOLDERS)]:
        if path.is_symlink():
            yield f"{path.name} is a link to {os.path.realpath(path)}", "Deleting the run leaves what it points to."
    for parent in (folder.path, *newest):
        for path in _children(parent):
            try:
                found = path.lstat()
            except OSError:
                continue
            where = path.relative_to(folder.path)
            is_link_to_folder = path.is_symlink() and path.is_dir()
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or is_link_to_folder):
                yield f"{where} {wrong_kind(path).strerror}", "It is not read. Delete it, or put the file itself there."
            elif stat.S_ISREG(found.st_mode) and _is_too_large(path, found.st_size):
                yield f"{where} is larger than a record can be", "It is not read."
            elif path.suffix == ".json" and parent != folder.path and _is_damaged(path):
                yield f"{where} is no JSON object", "It is not read."


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:200]
    except OSError:
        return []


def _is_too_large(path: Path, size: int) -> bool:
    limit = {".json": RECORD_BYTES, ".yaml": YAML_BYTES}.get(path.suffix)
    return limit is not None and size > limit


def _is_damaged(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and read_json(str(path)) is None
