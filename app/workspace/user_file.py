"""`user.json` of a run folder: what people said about the run."""

import json
from typing import Any

from engine.contracts.run_folder import RunFolder
from engine.files.safe_open import read_regular


def read_user(folder: RunFolder) -> dict[str, Any]:
    """Name, tags, notes, archived; empty where nothing can be read."""
    try:
        user = json.loads(read_regular(folder.user))
    except (OSError, ValueError, RecursionError):
        return {}
    return user if isinstance(user, dict) else {}


def user_name(user: dict[str, Any], default_name: str) -> str:
    """The name that a person gave the run, else the one that it was launched with."""
    name = user.get("name")
    return name if isinstance(name, str) and name else default_name


def user_tags(user: dict[str, Any]) -> list[str]:
    """The tags, each once."""
    tags = user.get("tags")
    return list(dict.fromkeys(str(tag) for tag in tags)) if isinstance(tags, list) else []
