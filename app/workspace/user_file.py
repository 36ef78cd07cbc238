"""`user.json` of a run folder: what people said about the run."""

import json
from pathlib import Path
from typing import Any

from engine.contracts.run_folder import RunFolder
from engine.files.safe_open import read_regular

ASIDE = ".unreadable"
"""After the name of a `user.json` that could not be read, and was kept when somebody changed the run's name or tags."""


def read_user(folder: RunFolder) -> dict[str, Any]:
    """Return name, tags, notes, archived; empty where nothing can be read."""
    return read_annotations(folder)[0]


def read_annotations(folder: RunFolder) -> tuple[dict[str, Any], str]:
    """Return what people said about a run, and why it cannot be read; empty where it can, or where there is none."""
    try:
        user = json.loads(read_regular(folder.user))
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"user.json cannot be read: {error.strerror or error}"
    except (ValueError, RecursionError) as error:
        return {}, f"user.json is no JSON: {error}"
    return (user, "") if isinstance(user, dict) else ({}, "user.json is no JSON object")


def user_name(user: dict[str, Any], default_name: str) -> str:
    """The name that a person gave the run, else the one that it was launched with."""
    name = user.get("name")
    return name if isinstance(name, str) and name else default_name


def user_tags(user: dict[str, Any]) -> list[str]:
    """The tags, each once."""
    tags = user.get("tags")
    return list(dict.fromkeys(str(tag) for tag in tags)) if isinstance(tags, list) else []


def kept_aside(folder: RunFolder) -> list[Path]:
    """List what was found in the place of `user.json` and could not be read: it is kept, never overwritten."""
    return sorted(folder.path.glob(f"{folder.user.name}{ASIDE}*"))
