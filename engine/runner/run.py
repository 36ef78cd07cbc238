"""The life of one attempt: from `launch.json` to `outcome.json`."""

import contextlib
import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from engine.files.json_records import ReservedRecord, now, read_json, write_json
from engine.files.safe_open import open_append
from engine.runner import alerts, lock, notify, pause, retry, start_record
from engine.runner.containers import CLIENT_FAILED, Containers, containers_among
from engine.runner.ending import (
    disk_is_full,
    end_fields,
    ended_as_requested,
    event_of,
    handed_over_fields,
    missing_artifacts,
    outcome_record,
    outlived_fields,
)
from engine.runner.handover import LAUNCHER_SECONDS, Handover
from engine.runner.outliving import OutlivingWork, name_of
from engine.runner.processes import children
from engine.runner.processes.gpu_monitor import USAGE_COMMAND, GpuWatch, watched_gpus
from engine.runner.processes.identity import Stat, identify
from engine.runner.processes.memory import oom_kills, oom_kills_since
from engine.runner.processes.samples import Sampler
from engine.runner.signals import AWAITED, STOP_SIGNALS, TIME_LIMIT, reason_of
from engine.runner.stage import CouldNotStart, End, HeldStage, hold, reap
from engine.runner.stop import GRACE, STUCK_SECONDS, Escalation, clear_leftovers
from engine.runner.time_limit import TimeLimit
from engine.runner.waiting import dependencies
from engine.runner.waiting.admission import Admission, CannotEverStart

SAMPLE_SECONDS = 5.0
_FIRST_LOOK_SECONDS, _LOOK_SECONDS = 0.1, 1.0
"""Between two looks at what has outlived its command: until it is known to work, and from then on."""
_CLUSTERS_SIGNAL_SECONDS = 1.0
_NAMED_LEFTOVERS = 3
_FIRST_SAMPLE_SECONDS = 1.0
"""Sooner than the others, so that a short run has one."""


class Cancelled(Exception):
    """A stop came before the stage had started."""


class Interrupted(Exception):
    """The machine shuts down, or somebody ended the runner, before the stage had started. Nobody asked for a stop."""


class Run:
    """One attempt. `execute` returns when its outcome is on disk."""

    def __init__(self, attempt: str, ready: Callable[[], None] = lambda: None) -> None:
        """Take the attempt over.

        Args:
            attempt: absolute path of the attempt folder.
            ready: called once, when the runner's identity is on disk.

        Raises:
            lock.AlreadyStarted: it has ended already, or somebody else runs it.
            OSError: there is no `launch.json`, or not even space for the outcome.
        """
        self.attempt = attempt
        self._ready = ready
        self._lock = lock.acquire(attempt)
        launch = read_json(self._path("launch.json"))
        if launch is None:
            raise lock.AlreadyStarted(f"{self._path('launch.json')} cannot be read")
        self.launch = launch
        self.argv: list[str] = launch["argv"]
        self.grace = {**GRACE, **launch.get("grace", {})}
        self.outcome = ReservedRecord(self._path("outcome.json"))
        self.console = open_append(self._path("console.log"))
        self.turn = Admission(launch, attempt)
        self.started_at: str | None = None
        self.started_monotonic: float | None = None
        self.stop: Escalation | None = None
        self.stop_reason = ""
        self.limit: TimeLimit | None = None
        """The time limit of the stage; None before it has started."""
        self.work: OutlivingWork | None = None
        """What goes on after the command has ended with exit code 0."""
        self._command_ended = 0.0, ""
        self.containers = Containers(attempt)
        self.handover: Handover | None = None
        """What the command hands over to servers outside of the run; None before the stage has started."""

    def execute(self) -> None:
        """Wait for the parents and for a lease, start the stage, see it to its end, write the outcome."""
        try:
            self._write_process(None)
            self._ready()
            self._wait()
            kills = oom_kills()
            stage = self._start()
        except Cancelled:
            self._conclude(kind="cancelled", stop_requested=True, reason="stopped before it started")
        except Interrupted:
            self.outcome.withdraw()  # without an outcome it can be queued again
        except dependencies.DependencyFailed as failure:
            self._conclude(kind="dependency failed", reason=str(failure))
        except (CouldNotStart, CannotEverStart, OSError) as error:
            self._say(f"could not start: {error}")
            self._conclude(kind="could not start", reason=str(error))
        else:
            end = self._supervise(stage)
            self._finish(end, oom_kills_since(kills))
        self._ready()
        pause.put_back(self.attempt)

    # --- before the stage ---

    def _wait(self) -> None:
        """Wait for the parents, then for the turn. A parent that is tried again meanwhile is waited for again."""
        parents = self.launch.get("wait_for", [])
        last_reason = ""
        since = now()
        try:
            while True:
                self._check_for_stop()
                fate, reason = dependencies.check_dependencies(parents)
                if fate == dependencies.FAILED:
                    raise dependencies.DependencyFailed(reason)
                if fate == dependencies.SUCCEEDED:
                    reason = self.turn.poll()
                else:
                    self.turn.step_back()
                if not reason:
                    break
                if reason != last_reason:
                    last_reason = reason
                    with contextlib.suppress(OSError):
                        write_json(self._path("waiting.json"), {"reason": reason, "since": since}, durable=False)
                self._pause()
        finally:
            self.turn.step_back()
        with contextlib.suppress(OSError):
            os.unlink(self._path("waiting.json"))

    def _pause(self) -> None:
        received = signal.sigtimedwait(AWAITED, dependencies.POLL_SECONDS)
        if received is not None and received.si_signo == signal.SIGUSR1:
            raise Cancelled
        if received is not None and received.si_signo in STOP_SIGNALS:
            self._check_for_stop()
            raise Interrupted

    def _check_for_stop(self) -> None:
        """Take a stop that was requested before the runner could be signalled."""
        if os.path.exists(self._path("stop.json")):
            raise Cancelled

    def _start(self) -> HeldStage:
        try:
            argv, additions = start_record.start_request(self.attempt, self.launch)
        except start_record.SecretsUnknown as error:
            raise CouldNotStart(str(error)) from error
        environment = dict(os.environ)
        environment.update(PYTHONUNBUFFERED="1")
        environment.update(additions)
        environment.update(self.turn.environment)
        environment[children.MARK] = self.attempt
        self.argv = self.containers.prepare(argv, environment, self.launch["cwd"])
        inherited = (self._lock, *self.turn.descriptors)
        stage = hold(self.argv, self.launch["cwd"], environment, self.console, inherited)
        try:
            self.started_at, self.started_monotonic = now(), time.monotonic()
            self._write_process(stage)
            self.turn.tell(stage.identity.pid)
            self._check_for_stop()
        except BaseException:
            stage.abandon()
            raise
        if self.containers.added:
            self._say(f"added to the command, so that a stop reaches its container: {' '.join(self.containers.added)}")
        self.handover = Handover(self.argv, environment, self.launch["cwd"], self.attempt, self.console)
        stage.release()
        self.handover.add_command(stage.identity.pid)
        return stage

    def _write_process(self, stage: HeldStage | None) -> None:
        runner = identify(os.getpid())
        assert runner is not None
        record = {
            "runner": runner._asdict(),
            "stage": None if stage is None else stage.identity._asdict(),
            "argv": self.launch["argv"],
            "cwd": self.launch["cwd"],
            "started_at": self.started_at,
            "started_monotonic": self.started_monotonic,
            "leases": self.turn.devices,
            "provenance": {**self.launch.get("provenance", {}), "added_arguments": self.containers.added},
        }
        start_record.add_processes(self.attempt, runner, None if stage is None else stage.identity)
        write_json(self._path("process.json"), record, mode=self._mode())

    # --- while it runs ---

    def _supervise(self, stage: HeldStage) -> End:
        """Watch over the stage until its main process ends."""
        interval = float(self.launch.get("sample_seconds", SAMPLE_SECONDS))
        gpus = self._watch_gpus(interval)
        alerts.start_watch(self.attempt, self.launch, interval)
        sampler = Sampler(self._path("system.jsonl"), self.console, self.attempt, gpus.read)
        watch = pause.Watch(self.attempt)
        limit = self.limit = TimeLimit(self.launch, self.started_monotonic or time.monotonic())
        sample_due = time.monotonic() + min(interval, _FIRST_SAMPLE_SECONDS)
        end: End | None = None
        while True:
            end = reap(stage.identity.pid) if end is None else end
            if end is not None and not self._outlives(end, stage):
                gpus.close()
                self._await_clusters_signal(end)
                return end
            deadline = min(sample_due, self.stop.deadline if self.stop else limit.deadline)
            if self.work is not None:
                look = _LOOK_SECONDS if self.work.has_worked() else _FIRST_LOOK_SECONDS
                deadline = min(deadline, time.monotonic() + look)
            self._await_stop_step(max(deadline - time.monotonic(), 0))
            if self.stop is None and time.monotonic() >= limit.deadline:
                self._begin_stop(limit.reason)
            if time.monotonic() >= sample_due:
                sampler.sample()
                self._note_containers()
                sample_due = time.monotonic() + interval
                if self.stop is None and watch.is_due():
                    self._begin_stop(pause.PAUSED)
                if not sampler.stopped and sampler.rhythm.has_just_stalled():
                    notify.start(self.attempt, self.launch, "stall", f"silent for {sampler.rhythm.silent:.0f} s")

    def _await_clusters_signal(self, end: End) -> None:
        """Wait for the signal with which a cluster ends a whole job, where it has reached the stage first.

        Slurm signals one process after the other: without this the stage would seem to have been killed by somebody.
        """
        is_job = os.path.exists(self._path("slurm.json"))
        if is_job and end.signal_number is not None and self.stop is None:
            self._await_stop_step(_CLUSTERS_SIGNAL_SECONDS)

    def _outlives(self, end: End, stage: HeldStage) -> bool:
        """Return whether the command has ended well and left work behind that goes on: then that is the run."""
        if end.exit_code != 0 or self.stop is not None:
            return False
        if self.work is None:
            self._command_ended = time.monotonic(), now()
            self.work = OutlivingWork(self.argv, stage.identity.pid, self._processes)
        reap(0)
        return self.work.goes_on()

    def _watch_gpus(self, seconds: float) -> GpuWatch:
        gpus = watched_gpus(self.launch, self.turn.devices)
        argv = [] if gpus is None else USAGE_COMMAND
        return GpuWatch(argv, self.attempt, seconds, gpus or [])

    def _on_stop(self, received: signal.struct_siginfo) -> None:
        request = read_json(self._path("stop.json"))
        at_once = request is not None and bool(request.get("now"))
        if self.stop is None:
            is_requested = request is not None or received.si_signo == signal.SIGUSR1
            self._begin_stop("stopped" if is_requested else reason_of(received.si_signo), at_once)
        elif at_once:
            self.stop.advance()

    def _begin_stop(self, reason: str, at_once: bool = False) -> None:
        self.stop_reason = reason
        self.containers.add(containers_among(self._processes()))
        self.stop = Escalation(self._path("stopping.json"), self._processes, self.grace, skip_first=at_once)

    def _processes(self) -> list[Stat]:
        return children.descendants(os.getpid(), self.attempt)

    # --- the end ---

    def _finish(self, end: End, kills: int) -> None:
        moment, ended_at = time.monotonic(), now()
        if self.work is not None and not self.work.has_worked():
            moment, ended_at = self._command_ended  # the time since was spent on looking at what it left behind
        seconds = moment - (self.started_monotonic or 0.0)
        handed_to, is_launcher = self._handed_over(moment)
        leftovers, stuck = self._clear()
        self._stop_containers(end)
        missing = missing_artifacts(self.attempt, self.launch.get("artifacts", {}))
        fields = end_fields(end, missing, kills, stuck, self.stop_reason)
        if self.stop is None and self.work is not None and self.work.has_worked():
            fields.update(outlived_fields(self.work))
        fields.update(handed_over_fields(fields, handed_to, is_launcher))
        if self.stop_reason == TIME_LIMIT:
            fields.update(stop_requested=False, time_limit=True)
        if end.exit_code != 0 and disk_is_full(self.attempt):
            fields["reason"] += "; the disk is full"
        self._conclude(
            **fields, started_at=self.started_at, ended_at=ended_at, seconds=round(seconds, 3), leftovers=leftovers
        )

    def _note_containers(self) -> None:
        if self.handover is not None:
            self.containers.add_executions(self.handover.executions)
        self.containers.record()

    def _stop_containers(self, end: End) -> None:
        """End the containers that a stop, or the death of their client, has left running."""
        if self.stop is None and end.exit_code is not None and end.exit_code < CLIENT_FAILED:
            return
        self._note_containers()
        is_killed = self.stop is not None and self.stop.killing_since is not None
        self._say(self.containers.end(at_once=is_killed, is_client_killed=is_killed or end.exit_code is None))

    def _handed_over(self, ended: float) -> tuple[str, bool]:
        """What the command has handed over, and whether it did nothing else afterwards."""
        if self.handover is None:
            return "", False
        self.handover.close()
        handed_to, latest = self.handover.work()
        if handed_to:
            self._say(f"the command has handed work to {handed_to}: it is outside of this run, which does not stop it")
        return handed_to, ended < latest + LAUNCHER_SECONDS

    def _clear(self) -> tuple[int, list[int]]:
        """See to it that nothing of the run is left once its main process has gone.

        After a stop the rest keeps the grace that it was promised: a shell dies of SIGINT while the training below it
        still saves. Returns how many there were, and the pids that cannot be killed.
        """
        if self.stop is None:
            names = [name_of(process.pid) for process in self._processes()[:_NAMED_LEFTOVERS]]
            leftovers, stuck = clear_leftovers(self._processes, float(self.grace["leftovers"]), lambda: reap(0))
            if leftovers:
                more = ", …" if leftovers > len(names) else ""
                which = f" ({', '.join(names)}{more})" if names else ""
                self._say(
                    f"the command has ended and left {leftovers} of its processes behind{which}; they were ended too"
                )
            return leftovers, stuck
        count = len(left := self._processes())
        while left:
            killing = self.stop.killing_since
            if killing is not None and time.monotonic() > killing + STUCK_SECONDS:
                break
            self._await_stop_step(max(min(self.stop.deadline - time.monotonic(), 0.2), 0))
            reap(0)
            left = self._processes()
        return count, [process.pid for process in left]

    def _await_stop_step(self, timeout: float) -> None:
        received = signal.sigtimedwait(AWAITED, timeout)
        if received is not None and received.si_signo in STOP_SIGNALS:
            self._on_stop(received)
        if self.stop and time.monotonic() >= self.stop.deadline:
            self.stop.advance()

    def _conclude(self, **fields: Any) -> None:
        record = outcome_record(**fields)
        may_retry = retry.may_follow(self.attempt, self.launch, record) and not ended_as_requested(self.attempt, record)
        may_retry = may_retry and retry.announce(self.attempt)
        try:
            self.outcome.commit(record)
        except OSError as error:  # the run folder has been deleted: nobody is left to tell
            log(f"the outcome could not be written: {error}")
            return
        if record["exit_code"] == 0 and not record["missing_artifacts"]:  # it is neither started nor resumed any more
            start_record.delete_start_records(os.path.dirname(os.path.dirname(self.attempt)))
        is_retried = may_retry and retry.start_next_attempt(self.attempt)
        is_time_limit = self.limit is not None and self.stop_reason == self.limit.reason
        event = event_of(self.attempt, record, is_retried=is_retried, is_time_limit=is_time_limit)
        if event:
            is_job = os.path.exists(self._path("slurm.json"))  # Slurm kills what a job leaves behind
            reason = str(record["reason"]) + (f"; {retry.number_text(self.launch)}" if is_retried else "")
            notify.start(self.attempt, self.launch, event, reason, wait=is_job)

    def _say(self, text: str) -> None:
        """Append a line of ours to the console log, as far as the disk lets us; nothing where it is empty."""
        with contextlib.suppress(OSError):
            os.write(self.console, f"yoloqat: {text}\n".encode(errors="replace") if text else b"")

    def _mode(self) -> int:
        """Return permissions of a record that may hold a secret: those of `launch.json`."""
        return stat.S_IMODE(os.stat(self._path("launch.json")).st_mode)

    def _path(self, name: str) -> str:
        return os.path.join(self.attempt, name)


def log(text: str) -> None:
    """Write a line into `runner.log`, unless the disk is full."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{now()} {text}\n")
        sys.stderr.flush()
