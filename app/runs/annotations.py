"""Annotations of runs: name, tags, notes, archived. Stored in `user.json` of the run folder."""

import contextlib
import fcntl
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.workspace.run_names import check_name, find_id, lock_launches, read_name, run_names, used_names_of
from app.workspace.user_file import ASIDE, read_annotations, read_user
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.files.atomic import write_text

Annotations = dict[str, Any]
Report = Callable[[str], object]
"""Gets a line when a `user.json` that cannot be read is kept aside."""
_MAX_TAG_CHARACTERS = 64


def _ignore(text: str) -> None:
    """Report nothing: the doctor names what was kept aside."""


def rename_run(workspace: Workspace, reference: str, name: str, report: Report = _ignore) -> str:
    """Rename a run. Its id and folder stay the same.

    Returns:
        The old name.

    Raises:
        YoloqatError: the run does not exist, the name is in use or invalid, or the run cannot be written.
    """
    check_name(name)
    with lock_launches(workspace):
        runs = run_names(workspace)
        run_id = find_id(workspace, reference, runs)
        old_name = read_name(workspace.run(run_id)).name
        if name in used_names_of(runs) and name != old_name:
            raise YoloqatError(f"the name {name!r} is in use", where=str(workspace.path), hint="Choose another name.")
        _edit(workspace.run(run_id), lambda annotations: annotations.update(name=name), report)
    return old_name


def tag_run(
    workspace: Workspace, reference: str, add: Sequence[str] = (), remove: Sequence[str] = (), report: Report = _ignore
) -> list[str]:
    """Add and remove tags.

    Returns:
        The run's tags, in the order in which they were added.

    Raises:
        YoloqatError: the run does not exist, a tag is invalid, or the run cannot be written.
    """
    for tag in add:
        if not tag.isprintable() or not tag.strip() or " " in tag or len(tag) > _MAX_TAG_CHARACTERS:
            raise YoloqatError(f"{tag!r} is not a valid tag", hint="Use one word without spaces.")
    folder = workspace.run(find_id(workspace, reference))
    tags: list[str] = []

    def change(annotations: Annotations) -> None:
        stored_tags = annotations.get("tags")
        old_tags = [str(tag) for tag in stored_tags] if isinstance(stored_tags, list) else []
        tags.extend(dict.fromkeys(tag for tag in [*old_tags, *add] if tag not in remove))
        annotations["tags"] = tags

    if add or remove:
        _edit(folder, change, report)
    else:
        change(read_user(folder))
    return tags


def note_run(workspace: Workspace, reference: str, text: str, report: Report = _ignore) -> None:
    """Replace a run's note; an empty text removes it.

    Raises:
        YoloqatError: the run does not exist or cannot be written.
    """
    folder = workspace.run(find_id(workspace, reference))
    _edit(folder, lambda annotations: annotations.update(notes=text.strip()), report)


def read_note(workspace: Workspace, reference: str) -> str:
    """Read a run's note; empty when there is none."""
    return str(read_user(workspace.run(find_id(workspace, reference))).get("notes") or "")


def archive_run(workspace: Workspace, run_id: str, archived: bool = True, report: Report = _ignore) -> None:
    """Hide a run from the list, or show it again. Its other files stay untouched.

    Raises:
        YoloqatError: it cannot be written.
    """
    _edit(workspace.run(run_id), lambda annotations: annotations.update(archived=archived), report)


def _edit(folder: RunFolder, change: Callable[[Annotations], object], report: Report) -> None:
    """Change `user.json` under a lock; unknown keys stay in it.

    One that cannot be read, as after a slip of an editor, is kept under another name.
    """
    try:
        with _lock(folder):
            annotations, damage = read_annotations(folder)
            if damage:
                aside = _free_path(folder)
                folder.user.rename(aside)
                report(f"{damage}; what stood there is kept as {aside}")
            change(annotations)
            write_text(folder.user, json.dumps(annotations, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise YoloqatError(f"cannot write: {error.strerror or error}", where=str(folder.user)) from error


def _free_path(folder: RunFolder) -> Path:
    names = (f"{folder.user.name}{ASIDE}{number or ''}" for number in itertools.count())
    return next(path for name in names if not os.path.lexists(path := folder.path / name))


@contextlib.contextmanager
def _lock(folder: RunFolder) -> Iterator[None]:
    """Lock the folder itself, which leaves no lock file behind."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
