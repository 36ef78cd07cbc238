"""A run's folder → the row of the run."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.following.log_follower import stamp_of
from db.fact_rows import to_json
from db.tables import Run
from engine.contracts.run_folder import RunFolder
from engine.contracts.spec import RunSpec
from engine.files.safe_open import read_regular
from engine.logs import parser
from engine.supervise.state import RunStatus


def stamps(folder: RunFolder) -> str:
    """What tells that a run must be looked at again: the stamps of its files and of its newest attempt's, as JSON.

    A log that another version of the parser has read is read again, too.
    """
    attempts = folder.attempts()
    files: dict[str, Path] = {"spec": folder.spec, "user": folder.user, "result": folder.result}
    if folder.imported.exists():
        files["imported"] = folder.imported
    if attempts:
        newest = attempts[-1]
        files |= {"process": newest.process, "outcome": newest.outcome, "console": newest.console}
        if newest.watch.exists():
            files["watch"] = newest.watch
    found: dict[str, Any] = {name: stamp_of(path) for name, path in files.items()}
    return to_json(found | {"attempt": attempts[-1].number if attempts else 0, "parser": parser.VERSION})


def read_user(folder: RunFolder) -> dict[str, Any]:
    """`user.json`: name, tags, notes, archived; empty where nothing can be read."""
    try:
        user = json.loads(read_regular(folder.user))
    except (OSError, ValueError):
        return {}
    return user if isinstance(user, dict) else {}


def run_row(spec: RunSpec, user: dict[str, Any], status: RunStatus, stamp: str) -> Run:
    """The row of a run. Its run time is known once it has ended."""
    name = user.get("name")
    return Run(
        id=spec.id,
        name=name if isinstance(name, str) and name else spec.name,
        stage=spec.stage,
        group=spec.group,
        pipeline=spec.pipeline,
        step=spec.step,
        source=spec.source,
        imported_from=spec.imported_from,
        created_at=utc(spec.created_at),
        options=to_json(spec.options),
        command=to_json(spec.command),
        cwd=spec.cwd,
        archived=user.get("archived") is True,
        notes=str(user.get("notes") or ""),
        state=status.state.value,
        reason=status.reason,
        attempt=status.attempt,
        started_at=utc(status.started_at) if status.started_at else None,
        ended_at=utc(status.ended_at) if status.ended_at else None,
        seconds=None if status.state.is_live else status.seconds,
        stalled=status.stalled,
        stopping=status.stopping,
        details="{}",
        stamps=stamp,
    )


def user_tags(user: dict[str, Any]) -> list[str]:
    """The tags of `user.json`, each once."""
    tags = user.get("tags")
    return list(dict.fromkeys(str(tag) for tag in tags)) if isinstance(tags, list) else []


def utc(time: datetime) -> str:
    """ISO 8601 in UTC; a time without a zone is taken for UTC."""
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()
