"""Start what was queued elsewhere: by another user, on another machine, in a copied folder, by an earlier version."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.launching.launch import cpu_lane
from app.launching.next_command import next_command
from app.workspace.notifications import write_notify_file
from engine.contracts.attempt_records import LaunchRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.files.json_records import read_json
from engine.runner.start_record import state_folder
from engine.supervise.launch.launch import adopt_attempt, start_runner
from engine.supervise.launch.start_records import unmasked_spec
from engine.supervise.requeue import queued_elsewhere

_FORMER_FIELD = "gpu_query"
"""In `launch.json` of versions before 0.2 alone."""


@dataclass(frozen=True)
class ForeignRun:
    """A queued run that this user has not launched on this machine, with everything that starting it would start."""

    attempt: AttemptFolder
    spec: RunSpec
    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    """Set on top of this process's environment."""

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def name(self) -> str:
        return self.spec.name


def foreign_runs(workspace: Workspace, run_ids: Sequence[str] | None = None) -> list[ForeignRun]:
    """List the queued runs that were launched elsewhere, oldest first.

    Args:
        run_ids: only these; all when None.

    Raises:
        YoloqatError: one of them cannot be started here; the error says why.
    """
    return [
        _foreign(workspace, attempt)
        for attempt in queued_elsewhere(workspace)
        if run_ids is None or attempt.path.parents[1].name in run_ids
    ]


def adopt(workspace: Workspace, run: ForeignRun) -> None:
    """Make a queued run one that this user has launched here, and start its runner.

    Raises:
        YoloqatError: it cannot be written, or its runner cannot be started; it stays queued.
    """
    adopt_attempt(
        workspace, run.attempt, run.spec, argv=run.argv, env=run.env, cpu_lane=cpu_lane(), notify=write_notify_file()
    )
    start_runner(run.attempt)


def queued_before_upgrade(workspace: Workspace) -> list[ForeignRun]:
    """List what a version before 0.2, which kept no start records, has queued here; empty once that was declined."""
    if str(workspace.path) in _declined():
        return []
    former: list[ForeignRun] = []
    for attempt in queued_elsewhere(workspace):
        if _FORMER_FIELD in (read_json(str(attempt.launch)) or {}):
            with contextlib.suppress(YoloqatError):
                former.append(_foreign(workspace, attempt))
    return former


def decline_former(workspace: Workspace) -> None:
    """Remember that what an earlier version has queued is not to be started: the question is asked once."""
    path = _declined_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted({*_declined(), str(workspace.path)})), encoding="utf-8")


def _foreign(workspace: Workspace, attempt: AttemptFolder) -> ForeignRun:
    folder = workspace.run(attempt.path.parents[1].name)
    spec = RunSpec.read(folder.spec).model_copy(update={"id": folder.id})
    record = LaunchRecord.read(attempt.launch)
    if record is None:
        raise YoloqatError("launch.json cannot be read", where=str(attempt.path), hint="Launch it again.")
    whole = unmasked_spec(folder, spec)
    argv, _ = next_command(folder, whole)
    return ForeignRun(attempt, whole, argv or whole.command, record.cwd, {**record.env, **whole.env})


def _declined() -> list[str]:
    try:
        paths = json.loads(_declined_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [str(path) for path in paths] if isinstance(paths, list) else []


def _declined_path() -> Path:
    return Path(state_folder()) / "declined.json"
