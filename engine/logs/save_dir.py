"""Where a trainer says that it saves to."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

KINDS = ("options", "folder", "checkpoint stripped")
"""Kinds of events that may tell it."""
_SAVE_DIR = re.compile(r"\bsave_dir=(?:PosixPath\(|WindowsPath\()?(?:'([^']+)'|\"([^\"]+)\"|([^\s,)'\"]+))")
_FOLDER = re.compile(r"(?:Logging results|Results saved) to (\S.*)")
_NONE = ("None", "")


def told_folder(kind: str, payload: Mapping[str, Any]) -> str | None:
    """The folder that an event of a log tells, as it was printed but with `/` for the backslashes of Windows.

    Args:
        kind: of the event: `options` with `save_dir=…`, `folder`, or `checkpoint stripped` with a file in `weights`.
        payload: what the event tells: its `text`, or the `path` of the checkpoint.
    """
    text = str(payload.get("text") or "")
    found: str | None = None
    if kind == "options" and (match := _SAVE_DIR.search(text)):
        found = next(group for group in match.groups() if group)
    elif kind == "folder" and (match := _FOLDER.match(text)):
        found = match[1].strip()
    elif kind == "checkpoint stripped":
        path = PurePosixPath(str(payload.get("path") or "").replace("\\", "/"))
        found = str(path.parent.parent) if path.parent.name == "weights" else None
    return found.replace("\\", "/") if found is not None and found not in _NONE else None
