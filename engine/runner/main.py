"""The runner's command line: `python -P -m engine.runner [--detach] [--stop] [--verdict] ATTEMPT`."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable

from engine.files.json_records import read_json
from engine.runner.lock import AlreadyStarted
from engine.runner.processes.children import become_subreaper
from engine.runner.run import Run, log
from engine.runner.signals import prepare_signals
from engine.runner.stopper import stop_orphan
from engine.runner.waiting.dependencies import is_success

USAGE = """usage: python -P -m engine.runner [--detach] [--stop] [--verdict] ATTEMPT

Runs the attempt whose folder is ATTEMPT, as its launch.json says.
  --detach  go to the background; return when the runner has written who it is (exit 0) or has given up (exit 1)
  --stop    stop a stage whose runner is dead, and write its outcome
  --verdict exit as the run did: 0 only when it has succeeded, else with its own exit code, 128 + signal, or 1
"""
Work = Callable[[str, Callable[[], None]], int]


def main(argv: list[str]) -> int:
    """Run one attempt; return exit code 0 once an outcome is written, whatever it is."""
    flags = {argument for argument in argv if argument.startswith("--")}
    folders = [argument for argument in argv if not argument.startswith("--")]
    if len(folders) != 1 or flags - {"--detach", "--stop", "--verdict"}:
        sys.stderr.write(USAGE)
        return 2
    attempt = os.path.abspath(folders[0])
    work: Work = stop_orphan if "--stop" in flags else run
    if "--detach" in flags:
        return detach(work, attempt)
    code = work(attempt, lambda: None)
    return verdict(attempt) if code == 0 and "--verdict" in flags else code


def run(attempt: str, ready: Callable[[], None]) -> int:
    """Run one attempt in this process. `ready` is called when the runner's identity is on disk."""
    prepare_signals()
    if not become_subreaper():
        log("the kernel refuses a child subreaper: daemons of the stage may outlive a stop")
    try:
        Run(attempt, ready).execute()
    except (AlreadyStarted, OSError) as error:
        log(f"cannot run {attempt}: {error}")
        return 1
    return 0


def verdict(attempt: str) -> int:
    """Return the exit code of a run that has ended, as a cluster takes it: what depends on the job starts after 0
    alone.
    """
    outcome = read_json(os.path.join(attempt, "outcome.json"))
    if outcome is None:
        return 1
    if is_success(outcome):
        return 0
    number = outcome.get("signal")
    return 128 + number if isinstance(number, int) else outcome.get("exit_code") or 1


def detach(work: Work, attempt: str) -> int:
    """Daemonize: do the work in a forked session leader, and return as soon as it is ready.

    So the caller collects a process that ends at once, and the runner leaves no zombie in a screen that stays open.
    """
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        return 0 if os.read(read_end, 1) else 1
    code = 1
    try:
        os.close(read_end)
        os.setsid()

        def ready() -> None:
            with contextlib.suppress(OSError):  # already reported, or the caller has ended
                os.write(write_end, b"1")
                os.close(write_end)

        code = work(attempt, ready)
    except BaseException:
        with contextlib.suppress(OSError, ValueError):
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        os._exit(code)
