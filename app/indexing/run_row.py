"""Build the row of a run from its folder."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from app.workspace.run_names import copy_name
from app.workspace.user_file import user_name
from db.rows_of_facts import to_json
from db.tables import Run
from engine.contracts.run_folder import RunFolder
from engine.contracts.spec import RunSpec
from engine.supervise.state.status import RunStatus


def run_row(folder: RunFolder, spec: RunSpec, user: dict[str, Any], status: RunStatus, damage: Sequence[str]) -> Run:
    """Return the row of a run, under the id of its folder. Its duration is set after its end.

    Args:
        spec: as it stands in the folder, or what stands in for it.
        damage: what of the folder cannot be read, in words.
    """
    remarks = [f"copy of {spec.id}"] if spec.id != folder.id else []
    return Run(
        id=folder.id,
        name=user_name(user, copy_name(spec.name) if remarks else spec.name),
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
        reason="; ".join(part for part in (*damage, *remarks, status.reason) if part),
        attempt=status.attempt,
        started_at=utc(status.started_at) if status.started_at else None,
        ended_at=utc(status.ended_at) if status.ended_at else None,
        seconds=None if status.state.is_live else status.seconds,
        stalled=status.stalled,
        stopping=status.stopping,
        handed_to=status.handed_to,
        gpus_outside_lease=" ".join(status.gpus_outside_lease),
        details="{}",
        stamps="",
    )


def utc(time: datetime) -> str:
    """Format a time as ISO 8601 in UTC; a time without a zone is UTC."""
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()
