"""`user.json` of a run folder: the annotations of the run."""

import json
from typing import Any

from engine.contracts.run_folder import RunFolder
from engine.files.safe_open import read_regular


def read_user(folder: RunFolder) -> dict[str, Any]:
    """Read name, tags, notes and archived; empty if the file cannot be read."""
    try:
        user = json.loads(read_regular(folder.user))
    except (OSError, ValueError, RecursionError):
        return {}
    return user if isinstance(user, dict) else {}


def user_name(user: dict[str, Any], default_name: str) -> str:
    """Return the name that the user gave the run, else the one from its launch."""
    name = user.get("name")
    return name if isinstance(name, str) and name else default_name


def user_tags(user: dict[str, Any]) -> list[str]:
    """Return the tags, each once."""
    tags = user.get("tags")
    return list(dict.fromkeys(str(tag) for tag in tags)) if isinstance(tags, list) else []
