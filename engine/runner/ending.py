"""What the outcome of an attempt says."""

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from engine.files.json_records import now
from engine.runner.outliving import OutlivingWork
from engine.runner.stage import End

_FULL_BYTES = 1 << 16
_INTERRUPTED = 128 + signal.SIGINT


def outcome_record(**fields: Any) -> dict[str, Any]:
    """Return a complete outcome; an omitted field is unknown or did not happen."""
    return {
        "exit_code": None,
        "signal": None,
        "stop_requested": False,
        "time_limit": False,
        "missing_artifacts": [],
        "started_at": None,
        "ended_at": now(),
        "seconds": None,
        "peak_rss_bytes": None,
        "oom_kill": False,
        "oom_kills": 0,
        "leftovers": 0,
        "handed_to": "",
        "stuck": [],
        **fields,
    }


def end_fields(end: End, missing: list[str], kills: int, stuck: list[int], stop_reason: str) -> dict[str, Any]:
    """Return the fields that follow from how the main process ended.

    Args:
        missing: promised artifacts that are not there.
        kills: processes that the kernel killed for lack of memory meanwhile.
        stuck: pids that cannot be killed.
        stop_reason: why a stop was in progress; empty when none was.
    """
    killed = end.signal_number == signal.SIGKILL or end.exit_code == 128 + signal.SIGKILL
    parts = [stop_reason] if stop_reason else []
    parts.append(_describe_exit(end, missing))
    if kills:
        parts.append("the kernel killed a process for lack of memory")
    if stuck:
        parts.append(f"processes that cannot be killed: {', '.join(map(str, stuck))}")
    return {
        "kind": "signaled" if end.exit_code is None else "exited",
        "exit_code": end.exit_code,
        "signal": end.signal_number,
        "stop_requested": bool(stop_reason),
        "missing_artifacts": missing,
        "peak_rss_bytes": end.peak_rss_bytes,
        "oom_kill": killed and kills > 0 and not stop_reason,
        "oom_kills": kills,
        "stuck": stuck,
        "reason": "; ".join(parts),
    }


def outlived_fields(work: OutlivingWork) -> dict[str, Any]:
    """Return the fields of a run whose command ended with exit code 0 while processes it had started kept running.

    Their exit codes are unknown: only the process that adopted them receives those.
    """
    names = ", ".join(work.names)
    end = "was idle for 10 minutes and was ended" if work.is_idle else "has ended, exit code unknown"
    return {"kind": "outlived", "reason": f"the command left {names} running, which {end}"}


def handed_over_fields(fields: Mapping[str, Any], handed_to: str, is_launcher: bool) -> dict[str, Any]:
    """Return the fields of a run whose command has handed work to a server outside of the run.

    Args:
        fields: those that follow from its end.
        handed_to: `tmux 812`; empty where nothing was handed over.
        is_launcher: the command did nothing else afterwards, so its exit code says nothing of the work.
    """
    if not handed_to:
        return {}
    is_over = fields["kind"] == "exited" and fields["exit_code"] == 0 and not fields["stop_requested"]
    if is_over and not fields["missing_artifacts"]:
        rest = "; its end is not seen" if is_launcher else ""
        kind = "handed over" if is_launcher else "exited"
        return {"kind": kind, "handed_to": handed_to, "reason": f"handed to {handed_to}{rest}"}
    return {"handed_to": handed_to, "reason": f"{fields['reason']}; handed to {handed_to}"}


def event_of(attempt: str, record: Mapping[str, Any], *, is_retried: bool, is_time_limit: bool) -> str:
    """Return what people are told of an end; nothing of a stop, for whoever stopped it knows.

    Args:
        is_retried: another attempt follows.
        is_time_limit: it was stopped because its time was over.
    """
    if is_time_limit:
        return "time-limit"
    if record["stop_requested"] or ended_as_requested(attempt, record):
        return ""
    if record["exit_code"] == 0 and not record["missing_artifacts"]:
        return "success"
    return "retry" if is_retried else "failure"


def ended_as_requested(attempt: str, record: Mapping[str, Any]) -> bool:
    """Return whether one of our trainings has ended after its epoch because somebody wanted that."""
    folder = os.path.dirname(os.path.dirname(attempt))
    return record["exit_code"] == _INTERRUPTED and os.path.exists(os.path.join(folder, "stop-after-epoch"))


def _describe_exit(end: End, missing: list[str]) -> str:
    if end.signal_number is not None:
        return f"signal {end.signal_number} ({signal_name(end.signal_number)})"
    if end.exit_code == 0 and missing:
        return f"exit code 0, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    return f"exit code {end.exit_code}"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "real-time signal"


def missing_artifacts(attempt: str, artifacts: Mapping[str, str]) -> list[str]:
    """Return the promised files that are not there; paths relative to the run folder."""
    run_folder = os.path.dirname(os.path.dirname(attempt))
    paths: Iterable[str] = artifacts.values()
    return sorted(path for path in paths if not os.path.isfile(os.path.join(run_folder, path)))


def disk_is_full(folder: str) -> bool:
    """Return whether nothing more can be written; False also when it cannot be told."""
    with contextlib.suppress(OSError):
        space = os.statvfs(folder)
        return space.f_bavail * space.f_frsize < _FULL_BYTES
    return False
