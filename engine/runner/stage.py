"""Starting the stage and collecting its end.

The stage is forked first and held at a gate until its identity is on disk, so that no stage ever runs unrecorded; a
runner that dies in between takes the waiting fork with it.
"""

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from engine.runner.processes.identity import Identity, identify


class CouldNotStart(Exception):
    """The stage cannot be started; the message says why, for a person."""


class End(NamedTuple):
    """How the stage's main process ended."""

    exit_code: int | None
    signal_number: int | None
    peak_rss_bytes: int
    """Of the largest single process of those that the stage waited for."""


class HeldStage(NamedTuple):
    """A forked stage that has not run anything yet."""

    identity: Identity
    gate: int
    errors: int

    def abandon(self) -> None:
        """Never open the gate: the forked process ends by itself."""
        os.close(self.gate)
        os.close(self.errors)

    def release(self) -> None:
        """Let it go.

        Raises:
            CouldNotStart: no such program, no permission, the working directory is gone.
        """
        with contextlib.suppress(BrokenPipeError):  # killed while it was held: its end tells
            os.write(self.gate, b"1")
        os.close(self.gate)
        message = b""
        while chunk := os.read(self.errors, 4096):  # ends at once: exec closes the other end
            message += chunk
        os.close(self.errors)
        if message:
            raise CouldNotStart(message.decode(errors="replace"))


def hold(
    argv: Sequence[str], cwd: str, environment: Mapping[str, str], console: int, inherit: Sequence[int]
) -> HeldStage:
    """Fork the stage in a session of its own, up to the gate.

    Args:
        argv: the command; the program is looked up on `environment`'s PATH.
        console: descriptor that becomes stdout and stderr.
        inherit: descriptors that stay open in the stage, with the locks they hold.

    Raises:
        CouldNotStart: the machine has no room for another process.
    """
    gate_read, gate_write = os.pipe()
    errors_read, errors_write = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        raise CouldNotStart(f"cannot start another process: {error.strerror}") from error
    if pid == 0:
        os.close(gate_write)
        os.close(errors_read)
        _become_stage(argv, cwd, environment, console, inherit, gate_read, errors_write)
    os.close(gate_read)
    os.close(errors_write)
    identity = identify(pid)
    assert identity is not None  # it cannot have gone: nobody has waited for it
    return HeldStage(identity, gate_write, errors_read)


def _become_stage(
    argv: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    console: int,
    inherit: Sequence[int],
    gate: int,
    errors: int,
) -> NoReturn:
    """Wait at the gate in the forked process, then become the command. Never returns."""
    step = "the program"
    try:
        os.setsid()
        if not os.read(gate, 1):
            os._exit(125)  # the runner died first
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, console), (2, console)):
            os.dup2(source, target)
        for descriptor in inherit:
            os.set_inheritable(descriptor, True)
        step = "the working directory"
        os.chdir(cwd)
        step = "the program"
        _reset_signals()
        os.execvpe(argv[0], list(argv), dict(environment))
    except BaseException as error:
        name = cwd if step == "the working directory" else argv[0] if argv else "(empty command)"
        why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        with contextlib.suppress(OSError):
            os.write(errors, f"{step} {name!r} cannot be used: {why}".encode(errors="replace"))
    finally:
        os._exit(127)


def _reset_signals() -> None:
    """Restore the signals that a shell would set, but leave SIGHUP ignored: a run outlives its terminal."""
    for number in signal.valid_signals() - {signal.SIGHUP, signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def reap(main_pid: int) -> End | None:
    """Collect every child that has ended, adopted ones too; the end of the stage's main process if it is among them."""
    end = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return end
        if pid == 0:
            return end
        if pid == main_pid:
            code = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * 1024
            end = End(code, None, peak) if code >= 0 else End(None, -code, peak)
