"""What the command of a run has handed over to servers outside of it, as far as can be seen: `tmux 812`.

A server that the command starts itself stays below the runner; what it does is the run, see `outliving`. One that was
there before does the work elsewhere: no stop reaches it, its end and exit code are not seen.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence

from engine.files.safe_open import read_head
from engine.runner.handing_over import PROGRAMS, container_run, server_of
from engine.runner.processes.children import all_processes
from engine.runner.processes.executions import (
    Execution,
    ExecutionWatch,
    command_line,
    descendant_pids,
    execution_of,
    program_command,
)

LAUNCHER_SECONDS = 60.0
"""A command that ends so soon after it has handed work over has launched it, and done nothing else since."""
_BIRTH_TICKS = 2 * os.sysconf("SC_CLK_TCK")
"""How long after its client a server may start what the client asked for."""
_CONSOLE_BYTES = 1 << 16
_SCRIPT_BYTES = 1 << 16
_MOST_NAMED = 3
_PRINTED = {
    "docker": re.compile(rb"^([0-9a-f]{12})[0-9a-f]{52}\s*$", re.MULTILINE),
    "Slurm": re.compile(rb"Submitted batch job (\d+)"),
    "systemd": re.compile(rb"Running (?:timer )?as unit:? ([\w@.:-]+?)[.,;]?\s"),
    "at": re.compile(rb"^job (\d+) at ", re.MULTILINE),
}
"""What clients print about what they have started."""
_PRINTED["podman"] = _PRINTED["nerdctl"] = _PRINTED["docker"]
_NAME_OPTIONS = {"docker": ("--name",), "podman": ("--name",), "nerdctl": ("--name",), "systemd": ("--unit", "-u")}


class Handover:
    """The executions of a run that hand work over. Create it before the command starts."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], cwd: str, mark: str, console: int) -> None:
        """Start watching.

        Args:
            argv: the command.
            environment: of the command.
            cwd: its working directory.
            mark: of the run.
            console: descriptor of its log, in which clients name what they have started.
        """
        self._argv = list(argv)
        self._cwd = cwd
        self._console = console
        self._console_size = os.fstat(console).st_size
        self._inside: set[int] = set()
        """Pids of clients whose server was seen below the runner."""
        self._watch = ExecutionWatch(PROGRAMS, environment.get("PATH", os.defpath), mark, self._look_for_own_server)

    @property
    def executions(self) -> list[Execution]:
        """Return programs that were executed and could hand work over, whether they did or not."""
        return self._watch.executions

    def add_command(self, pid: int) -> None:
        """Note that the command has been executed: what it is itself needs no watch."""
        command = program_command(self._argv, PROGRAMS)
        execution = execution_of(pid, command) if command else None
        if execution is not None:
            self._watch.add(execution)

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()

    def work(self) -> tuple[str, float]:
        """Return what was handed over, and when last on the monotonic clock; to be called after the end of the command.

        Never raises: a run must not be lost because what it did cannot be seen.

        Returns:
            `tmux 812, docker 3f1c2a9b7d10`, empty for nothing.
        """
        names: dict[str, None] = {}
        latest = 0.0
        for execution in [*self._watch.executions, *self._unseen()]:
            server = server_of(execution.command)
            name = server
            with contextlib.suppress(OSError, ValueError, LookupError):
                name = self._name(server, execution) if server else ""
            if name:
                names[name] = None
                latest = max(latest, execution.seen_at)
        listed = list(names)
        more = [f"and {len(listed) - _MOST_NAMED} more"] if len(listed) > _MOST_NAMED else []
        return ", ".join([*listed[:_MOST_NAMED], *more]), latest

    def _look_for_own_server(self, execution: Execution) -> bool:
        """Return whether a tmux server that a client may have started is still to be looked for."""
        if execution.program != "tmux":
            return False
        if any(_comm(pid) == "tmux: server" for pid in descendant_pids(os.getpid())):
            self._inside.add(execution.pid)
            return False
        return True

    def _unseen(self) -> Iterator[Execution]:
        """Yield executions that the command's text asks for, and that were too short, or could not be watched."""
        caught = {execution.program for execution in self._watch.executions}
        missed = self._watch.opened - caught if self._watch.is_watching else PROGRAMS
        if not missed:
            return
        for command in _commands_in(_text_of(self._argv, self._cwd)):
            name = os.path.basename(command[0])
            if name in missed:
                yield Execution(name, tuple(command), 0, 0, self._cwd, time.monotonic())

    def _name(self, server: str, execution: Execution) -> str:
        if server == "tmux":
            return self._tmux_name(execution)
        options = _NAME_OPTIONS.get(server, ())
        run = container_run(execution.command)
        given = run.option(*options) if run is not None else _option(execution.command, options)
        if given:
            return f"{server} {_printable(given)}"
        pattern = _PRINTED.get(server)
        match = pattern.search(self._printed()) if pattern else None
        return f"{server} {match[1].decode()}" if match else server

    def _tmux_name(self, execution: Execution) -> str:
        """Return the name with the pid of the process that the server has started for the client, else of the server.

        Empty where the server is one of the run's own processes.
        """
        own = set(descendant_pids(os.getpid()))
        table = {pid: process for pid, process in all_processes().items() if process.state not in "ZX"}
        socket = _socket(execution.command)
        everywhere = [pid for pid in table if _comm(pid) == "tmux: server" and _socket(command_line(pid)) == socket]
        servers = [pid for pid in everywhere if pid not in own]
        earliest = execution.start_time
        born = sorted(
            (process.start_time, process.pid)
            for process in table.values()
            if process.ppid in servers and earliest <= process.start_time <= earliest + _BIRTH_TICKS
        )
        if born:
            return f"tmux {born[0][1]}"
        if execution.pid in self._inside or len(servers) < len(everywhere) or not servers:
            return ""
        return f"tmux {servers[0]}" if len(servers) == 1 else "tmux"

    def _printed(self) -> bytes:
        """Return what the log says since the command started, at most its last part."""
        size = os.fstat(self._console).st_size
        start = max(self._console_size, size - _CONSOLE_BYTES)
        try:
            with open(f"/proc/self/fd/{self._console}", "rb") as file:
                file.seek(start)
                return file.read(_CONSOLE_BYTES)
        except OSError:
            return b""


def _option(command: Sequence[str], names: Sequence[str]) -> str:
    """Return the value of an option, behind a blank or `=`."""
    for position, argument in enumerate(command[1:], 1):
        name, equals, value = argument.partition("=")
        if name in names:
            return value if equals else "".join(command[position + 1 : position + 2])
    return ""


def _socket(command: Sequence[str]) -> str:
    """Return which server a tmux command line is for: `-S path`, `-L name`, else the default one."""
    rest = iter(command[1:])
    for argument in rest:
        if argument[:2] in ("-S", "-L"):
            return argument[2:] or next(rest, "")
        if argument in ("-f", "-c", "-T"):
            next(rest, "")
        elif not argument.startswith("-"):
            break
    return ""


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:64]


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _text_of(argv: Sequence[str], cwd: str) -> str:
    """Return the text of a command: its arguments, and the scripts that are among its first ones."""
    parts = list(argv[1:])
    for argument in argv[:4]:
        if "\n" in argument or len(argument) > 4096:
            continue
        try:
            head = read_head(os.path.join(cwd, argument), _SCRIPT_BYTES)
        except (OSError, ValueError):
            continue
        if b"\0" not in head:
            parts.append(head.decode(errors="replace"))
    return "\n".join(parts)


def _commands_in(text: str) -> Iterator[list[str]]:
    """Yield what looks like a command line of one of the programs in the text of a shell script."""
    import shlex  # only now: few runs need it

    for line in text.splitlines():
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:
            continue
        for position, word in enumerate(words):
            if os.path.basename(word) in PROGRAMS:
                command = [word]
                for follower in words[position + 1 :]:
                    if follower and set(follower) <= set("();<>|&"):
                        break
                    command.append(follower)
                yield command
