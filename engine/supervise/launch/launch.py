"""Launching: run folder, `spec.yaml`, `launch.json`, and a runner that needs nobody any more."""

import contextlib
import errno
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.contracts.attempt_records import Grace, LaunchRecord, Parent, ProcessIdentity, QueueRecord, Retry
from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import COMMAND, Resources, RunSpec
from engine.files.json_records import write_json
from engine.files.safe_open import open_append, read_regular
from engine.files.terminal import current_terminal
from engine.runner.processes.children import MARK
from engine.runner.processes.identity import identify
from engine.supervise.lanes import lane_width, lease_folder
from engine.supervise.launch.commands import current_command, engine_environment, runner_command
from engine.supervise.launch.masking import mask_argv, mask_environment
from engine.supervise.launch.new_attempt import new_attempt
from engine.supervise.launch.provenance import collect
from engine.supervise.launch.start_records import (
    STOPPER_MARK,
    StartRequest,
    masked_spec,
    record_mode,
    record_start,
    unmasked_spec,
)
from engine.supervise.slurm.submit import submit, submit_array

_START_SECONDS = 30.0
RUNNER_LOG = "runner.log"


def launch(
    workspace: Workspace,
    spec: RunSpec,
    *,
    attempt: int = 1,
    argv: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    grace: Grace | None = None,
    sample_seconds: float = 5.0,
    cpu_lane: int | None = None,
    priority: int = 0,
    notify: str | None = None,
    not_before: float = 0.0,
    retry: Retry | None = None,
    is_shared: bool = False,
) -> AttemptFolder:
    """Start an attempt of a run, detached, and return as soon as its runner is there, or Slurm has taken it.

    Args:
        spec: written as the run's `spec.yaml` with the first attempt; its parents are waited for.
        attempt: 1, or the next number to resume or repeat a run.
        argv: in the place of the specification's command, as a resumed training needs it.
        env: variables on top of the specification's, for this attempt alone.
        grace: seconds between the steps of a stop.
        cpu_lane: how many runs may have the CPU lane at a time; as in the attempt before when None.
        priority: the higher, the earlier it gets what it needs.
        notify: the file that says whom to tell of its end; as in the attempt before when None.
        not_before: it waits in the queue until then, in seconds since 1970.
        retry: its place in a series of attempts; the first of the specification's series when None.
        is_shared: let the group read the records of a new run.

    Raises:
        YoloqatError: the run or attempt exists already, a parent does not, the workspace cannot be written, or the
            runner cannot be started, or Slurm refuses the job.
    """
    target = write_attempt(
        workspace,
        spec,
        attempt=attempt,
        argv=argv,
        env=env,
        grace=grace,
        sample_seconds=sample_seconds,
        cpu_lane=cpu_lane,
        priority=priority,
        notify=notify,
        not_before=not_before,
        retry=retry,
        is_shared=is_shared,
    )
    if spec.slurm is None:
        start_runner(target)
        return target
    try:
        submit(target, spec.slurm)
    except YoloqatError as error:
        _write_failure(target, error.what)
        raise
    return target


def launch_held(workspace: Workspace, spec: RunSpec, *, attempt: int, argv: Sequence[str] | None, why: str) -> None:
    """Start the next attempt of a run, which waits in the queue, or at Slurm, until it is released.

    Raises:
        YoloqatError: as `launch`. An attempt that Slurm does not take is not there then: it can be tried again.
    """
    target = write_attempt(workspace, spec, attempt=attempt, argv=argv, held=why)
    if spec.slurm is None:
        start_runner(target)
        return
    try:
        submit(target, spec.slurm, held=True)
    except YoloqatError:
        if not target.slurm.exists():
            shutil.rmtree(target.path, ignore_errors=True)
        raise


def launch_array(
    workspace: Workspace,
    specs: Sequence[RunSpec],
    *,
    name: str,
    cpu_lane: int | None = None,
    notify: str | None = None,
    is_shared: bool = False,
) -> None:
    """Give the first attempts of runs that differ in their options alone to Slurm, as one array where that can be.

    Raises:
        YoloqatError: as `launch`; some of them may have been submitted.
    """
    options = specs[0].slurm
    assert options is not None
    attempts: list[AttemptFolder] = []
    try:
        for spec in specs:
            attempts.append(write_attempt(workspace, spec, cpu_lane=cpu_lane, notify=notify, is_shared=is_shared))
        submit_array(attempts, options, name=name)
    except YoloqatError as error:
        for attempt in attempts:
            if not attempt.slurm.exists():
                _write_failure(attempt, error.what)
        raise


def write_attempt(
    workspace: Workspace,
    spec: RunSpec,
    *,
    attempt: int = 1,
    argv: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    grace: Grace | None = None,
    sample_seconds: float = 5.0,
    cpu_lane: int | None = None,
    priority: int = 0,
    notify: str | None = None,
    held: str = "",
    not_before: float = 0.0,
    retry: Retry | None = None,
    is_shared: bool = False,
) -> AttemptFolder:
    """Write everything that a runner of an attempt needs, and start none. Arguments as those of `launch`.

    Args:
        held: why it must not start before it is released; empty where it may.

    Raises:
        YoloqatError: the run or attempt exists already, a parent does not, or the workspace cannot be written.
    """
    whole = unmasked_spec(workspace.run(spec.id), spec)
    command = list(argv or whole.command)
    if spec.stage != COMMAND:
        command = current_command(command)
    if not command:
        raise YoloqatError("there is no command to run", where=spec.name)
    folder = workspace.run(spec.id)
    target = folder.attempt(attempt)
    parents = [_parent(workspace, run_id) for run_id in spec.parents]
    request = StartRequest(command, _additions(whole, env or {}))
    record = LaunchRecord(
        run_id=spec.id,
        name=spec.name,
        stage=spec.stage,
        argv=mask_argv(request.argv),
        cwd=spec.cwd or os.getcwd(),
        env=mask_environment(request.env),
        artifacts=spec.artifacts,
        wait_for=parents,
        # Slurm hands out the cluster's GPUs and CPUs: a lease of this machine would mean nothing there.
        resources=spec.resources if spec.slurm is None else Resources(),
        leases=str(lease_folder()),
        cpu_lane=_width(folder, attempt) if cpu_lane is None else cpu_lane,
        notify=_previous_notify_file(folder, attempt) if notify is None else notify,
        terminal=current_terminal() if spec.slurm is None else "",  # a node has other terminals of the same name
        grace=grace or Grace(),
        retry=retry or Retry(limit=spec.retry),
        time_limit=spec.time_limit,
        sample_seconds=sample_seconds,
        launcher=_own_identity(),
    )
    place = QueueRecord(position=time.time(), priority=priority, held=bool(held), why=held, not_before=not_before)
    _write(folder, target, record, spec, place, request, record_mode(folder, is_shared))
    return target


def adopt_attempt(
    workspace: Workspace,
    attempt: AttemptFolder,
    spec: RunSpec,
    *,
    argv: Sequence[str],
    env: Mapping[str, str],
    cpu_lane: int,
    notify: str,
) -> None:
    """Make a queued attempt that was launched elsewhere one that this user has launched on this machine.

    Its `launch.json` is written anew, for this machine and this folder: parents, leases and helpers are those of here.

    Args:
        argv: the command line that it starts, without masks.
        env: what its environment has on top of this process's, without masks.

    Raises:
        YoloqatError: a parent is missing, or a record cannot be written.
    """
    before = LaunchRecord.read(attempt.launch)
    if before is None:
        raise YoloqatError("launch.json cannot be read", where=str(attempt.path), hint="Launch it again.")
    folder = workspace.run(attempt.path.parents[1].name)
    request = StartRequest(list(argv), dict(env))
    record = before.model_copy(
        update={
            "argv": mask_argv(request.argv),
            "env": mask_environment(request.env),
            "wait_for": [_parent(workspace, run_id) for run_id in spec.parents],
            "leases": str(lease_folder()),
            "cpu_lane": cpu_lane,
            "notify": notify,
            "terminal": current_terminal(),
            "launcher": _own_identity(),
        }
    )
    try:
        write_json(str(attempt.launch), record.model_dump(mode="json"), mode=record_mode(folder, False))
        for path in (attempt.process, attempt.waiting):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise YoloqatError(
            f"cannot write the run: {error.strerror or error}", where=str(error.filename or attempt.path)
        ) from error
    record_start(folder, attempt, spec, request)


def _write(
    folder: RunFolder,
    target: AttemptFolder,
    record: LaunchRecord,
    spec: RunSpec,
    place: QueueRecord,
    request: StartRequest,
    mode: int,
) -> None:
    """Write everything that the runner needs, and last the specification, which makes the folder a run."""
    try:
        with new_attempt(folder, target.number) as attempt:
            diff_file = attempt.path / "git.diff"
            provenance = collect(request.argv, Path(record.cwd), request.env, diff_file, mode)
            record = record.model_copy(update={"provenance": provenance})
            write_json(str(attempt.queue), place.model_dump(mode="json"))
            write_json(str(attempt.launch), record.model_dump(mode="json"), mode=mode)
        record_start(folder, target, spec, request)
        _set_aside(folder, target.number)
        if not folder.spec.exists():
            masked_spec(spec).write(folder.spec, mode)
    except OSError as error:
        raise YoloqatError(
            f"cannot write the run: {error.strerror or error}",
            where=str(error.filename or target.path),
            hint="Free some disk space or choose another workspace with --workspace.",
        ) from error


def start_runner(attempt: AttemptFolder, environment: Mapping[str, str] | None = None) -> None:
    """Start a detached runner on an attempt that has its `launch.json`.

    Args:
        environment: on top of this process's, for one that was launched from another.

    Raises:
        YoloqatError: it gave up at once; what it said is in the message, and the attempt is `could not start`.
    """
    failure = run_detached(attempt, environment={**os.environ, **(environment or {}), MARK: str(attempt.path)})
    if failure is None:
        return
    if not attempt.process.exists():  # else another runner has it, and its word counts
        _write_failure(attempt, failure)
    remedy = "Free some disk space. " if os.strerror(errno.ENOSPC) in failure else ""
    raise YoloqatError(failure, where=str(attempt.path), hint=f"{remedy}See {attempt.path / RUNNER_LOG}.")


def _write_failure(attempt: AttemptFolder, reason: str) -> None:
    outcome = Outcome(kind=OutcomeKind.COULD_NOT_START, reason=reason)
    with contextlib.suppress(OSError):  # the error that is raised says it
        write_json(str(attempt.outcome), outcome.model_dump(mode="json"))


def start_stopper(attempt: AttemptFolder) -> None:
    """Start a detached process that stops an attempt whose runner is dead.

    Raises:
        YoloqatError: it gave up at once.
    """
    # Not the mark of the attempt: it must not stop itself.
    environment = {**os.environ, MARK: f"{STOPPER_MARK}{attempt.path}"}
    failure = run_detached(attempt, "--stop", environment=environment)
    if failure is not None:
        raise YoloqatError(failure, where=str(attempt.path), hint=f"See {attempt.path / RUNNER_LOG}.")


def run_detached(attempt: AttemptFolder, *options: str, environment: Mapping[str, str]) -> str | None:
    """Start `engine.runner` in the background and wait until it is ready.

    Returns:
        None, or why it gave up.
    """
    log = attempt.path / RUNNER_LOG
    # Isolated and by path: neither the user's environment nor a working directory decides what is imported, and the
    # environment that the stage inherits stays as it is.
    command = runner_command("--detach", *options, str(attempt.path))
    try:
        with open(open_append(log), "ab") as output:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
                start_new_session=True,
                timeout=_START_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired:  # a machine under load: its state will tell
        return None
    except OSError as error:
        return f"the runner cannot be started: {error.strerror or error}"
    return None if done.returncode == 0 else f"the runner gave up: {_last_line(log)}"


def _last_line(log: Path) -> str:
    """Return what the runner said last, without the time."""
    try:
        lines = read_regular(log).decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1].partition(" ")[2] if lines else "it left no message"


def _additions(spec: RunSpec, env: Mapping[str, str]) -> dict[str, str]:
    """Return what the stage's environment has on top of the launcher's."""
    additions = {**spec.env, **env}
    if spec.stage != COMMAND:
        additions.update(engine_environment({**os.environ, **additions}))
    return additions


def _width(folder: RunFolder, attempt: int) -> int:
    before = LaunchRecord.read(folder.attempt(attempt - 1).launch)
    return lane_width(before.cpu_lane if before else None)


def _previous_notify_file(folder: RunFolder, attempt: int) -> str:
    before = LaunchRecord.read(folder.attempt(attempt - 1).launch)
    return before.notify if before else ""


def _set_aside(folder: RunFolder, attempt: int) -> None:
    """Rename `result.json` and the requests of an earlier attempt, which must not count for this one."""
    folder.stop_after_epoch.unlink(missing_ok=True)
    if attempt > 1 and folder.result.exists():
        shutil.move(folder.result, folder.attempt(attempt - 1).path / folder.result.name)


def _parent(workspace: Workspace, run_id: str) -> Parent:
    folder = workspace.run(run_id)
    if not folder.spec.is_file():
        raise YoloqatError(f"there is no run {run_id} to wait for", where=str(workspace.path))
    return Parent(id=run_id, name=RunSpec.read(folder.spec).name, path=str(folder.path))


def _own_identity() -> ProcessIdentity | None:
    identity = identify(os.getpid())
    return None if identity is None else ProcessIdentity(**identity._asdict())
