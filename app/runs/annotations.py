"""What people say about runs: name, tags, notes, archived. Kept in the run folder's `user.json`."""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app.workspace.run_names import check_name, find_id, lock_launches, read_name, run_names, used_names_of
from app.workspace.user_file import read_user
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.files.atomic import write_text

Annotations = dict[str, Any]
_MOST_CHARACTERS = 64
"""Of a tag."""


def rename_run(workspace: Workspace, reference: str, name: str) -> str:
    """Give a run another name. Its id and its folder stay.

    Returns:
        The name before.

    Raises:
        YoloqatError: no such run, the name is taken or cannot be one, or the run cannot be written.
    """
    check_name(name)
    with lock_launches(workspace):
        runs = run_names(workspace)
        run_id = find_id(workspace, reference, runs)
        before = read_name(workspace.run(run_id)).name
        if name in used_names_of(runs) and name != before:
            raise YoloqatError(f"the name {name!r} is taken", where=str(workspace.path), hint="Choose another one.")
        _edit(workspace.run(run_id), lambda annotations: annotations.update(name=name))
    return before


def tag_run(workspace: Workspace, reference: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
    """Add and remove tags.

    Returns:
        The run's tags, in the order in which they were given.

    Raises:
        YoloqatError: no such run, a tag cannot be one, or the run cannot be written.
    """
    for tag in add:
        if not tag.isprintable() or not tag.strip() or " " in tag or len(tag) > _MOST_CHARACTERS:
            raise YoloqatError(f"{tag!r} cannot be a tag", hint="Take one word, without spaces.")
    folder = workspace.run(find_id(workspace, reference))
    tags: list[str] = []

    def change(annotations: Annotations) -> None:
        stored_tags = annotations.get("tags")
        before = [str(tag) for tag in stored_tags] if isinstance(stored_tags, list) else []
        tags.extend(dict.fromkeys(tag for tag in [*before, *add] if tag not in remove))
        annotations["tags"] = tags

    if add or remove:
        _edit(folder, change)
    else:
        change(read_user(folder))
    return tags


def note_run(workspace: Workspace, reference: str, text: str) -> None:
    """Write a run's note, in the place of what was there; an empty text removes it.

    Raises:
        YoloqatError: no such run, or it cannot be written.
    """
    folder = workspace.run(find_id(workspace, reference))
    _edit(folder, lambda annotations: annotations.update(notes=text.strip()))


def read_note(workspace: Workspace, reference: str) -> str:
    """A run's note; empty when there is none."""
    return str(read_user(workspace.run(find_id(workspace, reference))).get("notes") or "")


def archive_run(workspace: Workspace, run_id: str, archived: bool = True) -> None:
    """Take a run out of the list, or put it back. Nothing of it is touched.

    Raises:
        YoloqatError: it cannot be written.
    """
    _edit(workspace.run(run_id), lambda annotations: annotations.update(archived=archived))


def _edit(folder: RunFolder, change: Callable[[Annotations], object]) -> None:
    """Change `user.json` while nobody else does; what this program does not know stays in it."""
    try:
        with _alone(folder):
            annotations = read_user(folder)
            change(annotations)
            write_text(folder.user, json.dumps(annotations, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise YoloqatError(f"cannot write: {error.strerror or error}", where=str(folder.user)) from error


@contextlib.contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    """A lock on the folder itself, which leaves no file behind."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
