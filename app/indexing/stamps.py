"""Stamps of a run folder, which change when its files do."""

import json
import os
from typing import Any

from app.following.file_stamps import stamp_of
from engine.contracts.run_folder import RunFolder
from engine.logs import version


def stamps(folder: RunFolder) -> str:
    """Return the stamps of the files of a run and its newest attempt as JSON; a change means to index the run again.

    Includes the version of the parser, so a new version reads all logs again.
    """
    # Strings instead of paths for speed: every reading command does this for a thousand runs.
    base = str(folder.path)
    number = newest_attempt(folder)
    stamps: dict[str, Any] = {
        "attempt": number,
        "parser": version.VERSION,
        "result": stamp_of(f"{base}/result.json"),
        "spec": stamp_of(f"{base}/spec.yaml"),
        "user": stamp_of(f"{base}/user.json"),
    }
    imported = stamp_of(f"{base}/import.json")
    if imported is not None:
        stamps["imported"] = imported
    if number:
        newest = f"{base}/attempts/{number}"
        stamps["console"] = stamp_of(f"{newest}/console.log")
        stamps["outcome"] = stamp_of(f"{newest}/outcome.json")
        stamps["process"] = stamp_of(f"{newest}/process.json")
        watch = stamp_of(f"{newest}/watch.json")
        if watch is not None:
            stamps["watch"] = watch
    return json.dumps(stamps, sort_keys=True)


def newest_attempt(folder: RunFolder) -> int:
    """Return the number of the newest attempt; 0 before the first one."""
    try:
        names = os.listdir(f"{folder.path}/attempts")
    except OSError:
        return 0
    return max((int(name) for name in names if name.isdigit()), default=0)
