"""Command lines that hand work over to a server: what they start is no process of the run.

A run whose command does `tmux new -d …`, `docker run -d …`, `systemd-run …` or `sbatch …` ends at once, and what it
started goes on where no stop reaches it. Read from command lines as these programs read them themselves.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

_TMUX_COMMANDS = {
    "new-session": ("new",),
    "new-window": ("neww",),
    "split-window": ("splitw",),
    "respawn-pane": ("respawnp",),
    "respawn-window": ("respawnw",),
    "send-keys": ("send",),
    "run-shell": ("run",),
    "pipe-pane": ("pipep",),
    "display-popup": ("popup",),
}
"""Those that start something, with their aliases; tmux takes every beginning of a name that is not of two."""
_TMUX_FLAGS = frozenset("2CDlNuVv")
"""Without a value."""
_SHORTEST_BEGINNING = 4
_DOCKER_FLAGS = frozenset(
    ("--debug", "--tls", "--tlsverify", "--version", "--help", "--remote", "--rootless", "--insecure-registry")
)
_RUN_FLAGS = frozenset(
    (
        "--detach",
        "--disable-content-trust",
        "--help",
        "--init",
        "--interactive",
        "--no-healthcheck",
        "--no-hosts",
        "--oom-kill-disable",
        "--privileged",
        "--publish-all",
        "--quiet",
        "--read-only",
        "--replace",
        "--rm",
        "--rmi",
        "--sig-proxy",
        "--tls-verify",
        "--tty",
        "--use-api-socket",
    )
)
"""Options of `docker run` and `podman run` without a value of its own; all others have one."""
_RUN_SHORT_FLAGS = frozenset("ditqP")
_SHORT_NAMES = {"d": "--detach", "i": "--interactive", "t": "--tty", "q": "--quiet", "P": "--publish-all"}
_SYSTEMD_VALUES = frozenset(
    (
        *("--property", "--unit", "--machine", "--host", "--slice", "--setenv", "--uid", "--gid", "--nice"),
        *("--description", "--working-directory", "--service-type", "--on-active", "--on-boot", "--on-startup"),
        *("--on-unit-active", "--on-unit-inactive", "--on-calendar", "--timer-property", "--path-property"),
        *("--socket-property", "--background", "--job-mode", "-p", "-u", "-M", "-H", "-E"),
    )
)
"""Options of `systemd-run` with a value behind a blank."""
_SYSTEMD_ATTENDED = frozenset(("--scope", "--wait", "--pty", "--pipe", "--shell", "--pty-late"))
_SYSTEMD_ATTENDED_SHORT = frozenset("tPS")
_STARTING_UNITS = frozenset(("start", "restart", "try-restart", "reload-or-restart"))


class ContainerRun(NamedTuple):
    """A `docker run` command line."""

    client: tuple[str, ...]
    """What stands before `run`: the program with its own options."""
    position: int
    """Of `run` in the command line."""
    options: tuple[tuple[str, str], ...]
    """Of `run`, in their order: name and value, empty for a flag."""

    def option(self, *names: str) -> str | None:
        """Return the last value of an option, None where it is not given."""
        return next((value for name, value in reversed(self.options) if name in names), None)

    @property
    def is_detached(self) -> bool:
        return _is_on(self.option("--detach"))


def _is_on(flag: str | None) -> bool:
    return flag is not None and flag.lower() not in ("false", "0", "f")


def container_run(command: Sequence[str]) -> ContainerRun | None:
    """Read `docker [option …] [container] run …`; None for any other command line."""
    subcommand = _subcommand(command)
    if command[subcommand : subcommand + 1] == ["container"]:
        subcommand += 1
    if command[subcommand : subcommand + 1] != ["run"]:
        return None
    return ContainerRun(tuple(command[:subcommand]), subcommand, tuple(_run_options(command[subcommand + 1 :])))


def _subcommand(command: Sequence[str]) -> int:
    """Return the position of docker's subcommand."""
    position = 1
    while position < len(command) and command[position].startswith("-"):
        argument = command[position]
        has_value = "=" not in argument and argument not in _DOCKER_FLAGS and argument not in ("-D", "-v", "-r")
        position += 2 if has_value else 1
    return position


def _run_options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options before the image."""
    rest = iter(arguments)
    for argument in rest:
        if argument in ("-", "--") or not argument.startswith("-"):
            return
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            yield (name, value) if equals or name in _RUN_FLAGS else (name, next(rest, ""))
            continue
        letters = name[1:]
        while letters and letters[0] in _RUN_SHORT_FLAGS:  # -dit, -itv /data:/data
            yield _SHORT_NAMES[letters[0]], value if len(letters) == 1 else ""
            letters = letters[1:]
        if letters:
            attached = argument[argument.index(letters, 1) + 1 :]
            yield f"-{letters[0]}", attached.removeprefix("=") if attached else next(rest, "")


def _docker_hands_over(command: Sequence[str]) -> bool:
    run = container_run(command)
    if run is not None:
        return run.is_detached
    position = _subcommand(command)
    if command[position : position + 1] in (["container"], ["service"], ["stack"], ["compose"]):
        group, arguments = command[position], command[position + 1 :]
    else:
        group, arguments = "container", command[position:]
    if group == "compose":
        return _compose_hands_over(["docker-compose", *arguments])
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if group == "container":
        attended = _has_flag(rest, "--attach", "a") or _has_flag(rest, "--interactive", "i")
        return (
            (verb == "start" and not attended)
            or verb == "restart"
            or (verb == "exec" and _has_flag(rest, "--detach", "d"))
        )
    return verb in ("create", "update", "scale", "deploy", "up")


def _compose_hands_over(command: Sequence[str]) -> bool:
    for position, argument in enumerate(command[1:], 1):
        rest = command[position + 1 :]
        if argument in ("start", "restart"):
            return True
        if argument in ("up", "run"):
            return _has_flag(rest, "--detach", "d") or (argument == "up" and "--wait" in rest)
    return False


def _has_flag(arguments: Sequence[str], name: str, letter: str) -> bool:
    """Return whether a flag is among the options before the first other argument; short flags may be clustered."""
    for argument in arguments:
        if not argument.startswith("-"):
            return False
        is_cluster = not argument.startswith("--") and letter in argument[1:] and argument[1:].isalpha()
        if argument == name or is_cluster:
            return True
    return False


def _tmux_hands_over(command: Sequence[str]) -> bool:
    position = 1
    while position < len(command) and command[position].startswith("-"):
        position += 1 if set(command[position][1:]) <= _TMUX_FLAGS or len(command[position]) > 2 else 2
    first = True
    for argument in command[position:]:  # `new -d ; send-keys …`: a semicolon ends a command
        if first and _is_tmux_command(argument.rstrip(";")):
            return True
        first = argument.endswith(";")
    return False


def _is_tmux_command(name: str) -> bool:
    return any(
        name in (full, *aliases) or (len(name) >= _SHORTEST_BEGINNING and full.startswith(name))
        for full, aliases in _TMUX_COMMANDS.items()
    )


def _systemd_run_hands_over(command: Sequence[str]) -> bool:
    rest = iter(command[1:])
    for argument in rest:
        if not argument.startswith("-") or argument == "--":
            break
        if argument in _SYSTEMD_ATTENDED:
            return False
        if not argument.startswith("--") and _SYSTEMD_ATTENDED_SHORT & set(argument[1:]) and argument[1:].isalpha():
            return False
        if argument in _SYSTEMD_VALUES:
            next(rest, None)
    return len(command) > 1 and not {"--help", "--version", "-h"} & set(command[1:2])


def _without(*options: str) -> Callable[[Sequence[str]], bool]:
    """Return a predicate: hands over unless one of these options is given."""
    return lambda command: not set(options) & {argument.partition("=")[0] for argument in command[1:]}


def _with_verb(*verbs: str) -> Callable[[Sequence[str]], bool]:
    """Return a predicate: hands over where the first argument that is no option is one of these."""
    return lambda command: next((word for word in command[1:] if not word.startswith("-")), "") in verbs


_HANDS_OVER: dict[str, Callable[[Sequence[str]], bool]] = {
    "tmux": _tmux_hands_over,
    "screen": lambda command: "-X" in command,  # all else starts a server that stays below the runner
    "docker": _docker_hands_over,
    "podman": _docker_hands_over,
    "nerdctl": _docker_hands_over,
    "docker-compose": _compose_hands_over,
    "podman-compose": _compose_hands_over,
    "systemd-run": _systemd_run_hands_over,
    "systemctl": lambda command: _with_verb(*_STARTING_UNITS)(command) or "--now" in command,
    "sbatch": _without("-W", "--wait", "--test-only", "-h", "--help", "--usage", "-V", "--version"),
    "at": _without("-l", "-r", "-d", "-c", "-V"),
    "batch": _without("-V"),
    "qsub": _without("-sync", "-I", "--version", "-help"),
    "bsub": _without("-K", "-I", "-Ip", "-Is", "-V", "-h"),
    "condor_submit": _without("-help", "-dry-run"),
    "pueue": _with_verb("add", "start", "restart"),
    "tsp": lambda command: (len(command) > 1 and not command[1].startswith("-")) or "-n" in command[1:2],
    "supervisorctl": _with_verb("start", "restart"),
    "pm2": _with_verb("start", "restart"),
    "kubectl": _with_verb("apply", "create", "run"),
}
_SERVERS = {"systemd-run": "systemd", "systemctl": "systemd", "sbatch": "Slurm", "batch": "at", "tsp": "task-spooler"}
"""What the server is called where it is not called like its client."""
PROGRAMS = frozenset(_HANDS_OVER)


def server_of(command: Sequence[str]) -> str:
    """Return the name of the server that a command line hands work over to; empty where it hands none over."""
    name = os.path.basename(command[0]) if command else ""
    if name not in _HANDS_OVER or not _HANDS_OVER[name](list(command)):
        return ""
    return _SERVERS.get(name, name)
