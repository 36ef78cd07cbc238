"""`user.json` of a run folder: the annotations of the run."""

import json
from pathlib import Path
from typing import Any

from engine.contracts.run_folder import RunFolder
from engine.files.safe_open import read_regular

ASIDE = ".unreadable"
"""After the name of a `user.json` that could not be read, and was kept when somebody changed the run's name or tags."""


def read_user(folder: RunFolder) -> dict[str, Any]:
    """Read name, tags, notes and archived; empty if the file cannot be read."""
    return read_annotations(folder)[0]


def read_annotations(folder: RunFolder) -> tuple[dict[str, Any], str]:
    """Return the annotations of a run, and why they cannot be read; empty if they can, or if there are none."""
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
    """Return the name that the user gave the run, else the one from its launch."""
    name = user.get("name")
    return name if isinstance(name, str) and name else default_name


def user_tags(user: dict[str, Any]) -> list[str]:
    """Return the tags, each once."""
    tags = user.get("tags")
    return list(dict.fromkeys(str(tag) for tag in tags)) if isinstance(tags, list) else []


def kept_aside(folder: RunFolder) -> list[Path]:
    """List what was found in the place of `user.json` and could not be read: it is kept, never overwritten."""
    return sorted(folder.path.glob(f"{folder.user.name}{ASIDE}*"))
