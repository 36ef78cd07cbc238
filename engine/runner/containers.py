"""Containers that the command of a run starts and waits for: `docker run` without `-d`.

The client is a process of the run, the container is none: it is a child of the daemon. The client passes SIGINT and
SIGTERM on, but a killed client leaves its container running, with the GPU that it holds. A container is known by its
id, which the client writes into the file that `--cidfile` names, or by its name.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.files.json_records import read_json, write_json
from engine.files.safe_open import read_head
from engine.runner.handing_over import container_run
from engine.runner.processes.children import MARK, marker_of
from engine.runner.processes.executions import Execution, command_line, program_command
from engine.runner.processes.identity import Stat

CID_OPTION = "--cidfile"
CIDFILE = "container.cid"
RECORD = "containers.json"
CLIENTS = frozenset(("docker", "podman", "nerdctl"))
CLIENT_FAILED = 125
"""Exit codes from here on are those of a client that failed or was killed, or of a container that was."""
STOP_SECONDS = 10
"""What a container has between SIGTERM and SIGKILL once its client has gone."""
_CALL_SECONDS = 10.0
_TRIES = 5
"""How often a client is asked for the id of a container."""
_ID = re.compile(r"[0-9a-f]{64}")
_WRAPPERS = frozenset(("sudo", "env", "nice", "ionice", "nohup", "time", "stdbuf", "setsid", "timeout", "exec"))
_LABELS = ("--label", "-l")


class Container(NamedTuple):
    """A container that a client in the foreground waits for."""

    client: tuple[str, ...]
    """The client's command line up to its subcommand, `docker -H ssh://host`."""
    cidfile: str
    """Absolute path; empty where none was given."""
    name: str
    labels: tuple[str, ...]

    def read_id(self) -> str:
        """Return the id that the client has written; empty before, and without a cidfile."""
        if not self.cidfile:
            return ""
        try:
            match = _ID.match(read_head(self.cidfile, 128).decode(errors="replace"))
        except OSError:
            return ""
        return match[0] if match else ""


def with_cidfile(argv: Sequence[str], attempt: str) -> list[str]:
    """Return the command line, with `--cidfile` if it is a `docker run` in the foreground without one.

    A command inside of a script is left alone: its container is known only where the script gives a cidfile or a name.
    """
    start = _client_position(argv)
    run = container_run(argv[start:]) if start is not None else None
    if start is None or run is None or run.is_detached or run.option(CID_OPTION) is not None:
        return list(argv)
    behind = start + run.position + 1
    return [*argv[:behind], CID_OPTION, os.path.join(attempt, CIDFILE), *argv[behind:]]


def _client_position(argv: Sequence[str]) -> int | None:
    """Return where the client stands in a command line that is one, perhaps behind `sudo` or `env A=b`."""
    for position, argument in enumerate(argv):
        if os.path.basename(argument) in CLIENTS:
            return position
        is_wrapper = os.path.basename(argument) in _WRAPPERS
        if not is_wrapper and (
            position == 0 or not (argument.startswith("-") or "=" in argument or argument.isdigit())
        ):
            return None
    return None


def container_of(command: Sequence[str], cwd: str) -> Container | None:
    """Return the container that a client's command line starts and waits for; None for any other command line.

    Args:
        command: from the client on, or with what stands before it in a command of its own.
        cwd: its working directory.
    """
    start = _client_position(command)
    run = container_run(command[start:]) if start is not None else None
    if start is None or run is None or run.is_detached:
        return None
    cidfile, name = run.option(CID_OPTION), run.option("--name") or ""
    return Container(
        client=(*command[:start], *run.client),
        cidfile=os.path.join(cwd, cidfile) if cidfile else "",
        name="" if name.startswith("-") else name,
        labels=tuple(value for option, value in run.options if option in _LABELS and value),
    )


def containers_among(processes: Iterable[Stat]) -> list[Container]:
    """Return the containers whose clients are among these processes."""
    found = []
    for process in processes:
        command = program_command(command_line(process.pid), CLIENTS)
        cwd = ""
        with contextlib.suppress(OSError):
            cwd = os.readlink(f"/proc/{process.pid}/cwd")
        container = container_of(command, cwd) if command else None
        if container is not None:
            found.append(container)
    return found


class Containers:
    """The containers of a run, as far as their clients have been seen."""

    def __init__(self, attempt: str) -> None:
        """Begin with none."""
        self._attempt = attempt
        self._environment: Mapping[str, str] = os.environ
        self._found: dict[Container, str] = {}
        """With their ids, empty where not known (yet)."""
        self._recorded: list[str] = []
        self._tries: dict[Container, int] = {}
        self.added: list[str] = []
        """What the command gets beside its own arguments."""

    def prepare(self, argv: list[str], environment: Mapping[str, str], cwd: str) -> list[str]:
        """Take note of the container of the command, where it is a client itself.

        Args:
            argv: the command.
            environment: of the command: it says which daemon the clients talk to.
            cwd: its working directory.

        Returns:
            The command line to execute, which names a cidfile.
        """
        self._environment = environment
        prepared = with_cidfile(argv, self._attempt)
        if prepared != argv:
            self.added = [CID_OPTION, os.path.join(self._attempt, CIDFILE)]
        own = container_of(prepared, cwd)
        self.add([own] if own is not None else [])
        return prepared

    def add(self, containers: Iterable[Container]) -> None:
        """Take note of containers; known ones are passed over."""
        for container in containers:
            self._found.setdefault(container, "")

    def add_executions(self, executions: Iterable[Execution]) -> None:
        """Take note of the containers that clients have started."""
        for execution in executions:
            if execution.program in CLIENTS:
                container = container_of(execution.command, execution.cwd)
                self.add([container] if container is not None else [])

    def record(self) -> None:
        """Write the ids that are known, for whoever asks whose the processes on a GPU are."""
        for container, known in list(self._found.items()):
            if not known:
                self._found[container] = container.read_id() or self._ask_for_id(container)
        ids = sorted({known for known in self._found.values() if known})
        if ids != self._recorded:
            self._recorded = ids
            with contextlib.suppress(OSError):
                write_json(os.path.join(self._attempt, RECORD), {"ids": ids}, durable=False)

    def end(self, *, at_once: bool, is_client_killed: bool) -> str:
        """End the containers that still run. Their clients have gone.

        Args:
            at_once: with SIGKILL, without the time that `docker stop` leaves.
            is_client_killed: a client cannot have passed a signal on.

        Returns:
            What was ended and what may still run, in words; empty where all have ended by themselves.
        """
        ended, unknown = self._stop(at_once)
        parts = []
        if ended:
            parts.append(f"its client has gone and left {', '.join(ended)} running, which was stopped too")
        if unknown and is_client_killed:
            parts.append("a container may still run: docker run without --cidfile and --name tells nobody which it is")
        return "; ".join(parts)

    def _stop(self, at_once: bool) -> tuple[list[str], int]:
        """Return what was ended, `docker 3f1c2a9b7d10`, and of how many nobody knows the id or name."""
        self.record()
        ended, unknown = [], 0
        for container, known in self._found.items():
            target = known or container.name
            if not target:
                unknown += 1
                continue
            if self._call(container, "inspect", "--format", "{{.State.Running}}", target).strip() != "true":
                continue
            if at_once:
                self._call(container, "kill", target)
            else:
                self._call(container, "stop", "--time", str(STOP_SECONDS), target, seconds=STOP_SECONDS + _CALL_SECONDS)
            program = next(part for part in map(os.path.basename, container.client) if part in CLIENTS)
            ended.append(f"{program} {target[:12] if known else target}")
        return ended, unknown

    def _ask_for_id(self, container: Container) -> str:
        """Ask by its name, or by its labels where exactly one running container carries them."""
        self._tries[container] = self._tries.get(container, 0) + 1
        if self._tries[container] > _TRIES:
            return ""
        if container.name:
            answer = self._call(container, "inspect", "--format", "{{.Id}}", container.name)
        elif container.labels:
            filters = [part for label in container.labels for part in ("--filter", f"label={label}")]
            answer = self._call(container, "ps", "--quiet", "--no-trunc", *filters)
        else:
            return ""
        ids = answer.split()
        return ids[0] if len(ids) == 1 and _ID.fullmatch(ids[0]) else ""

    def _call(self, container: Container, *arguments: str, seconds: float = _CALL_SECONDS) -> str:
        """Return what the client prints; empty where it fails or takes too long."""
        import subprocess  # only now: it would make every runner larger

        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            done = subprocess.run(
                [*container.client, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**self._environment, MARK: f"container:{self._attempt}"},  # no process of the run
                timeout=seconds,
                text=True,
                errors="replace",
                check=False,
            )
            return done.stdout if done.returncode == 0 else ""
        return ""


def container_ids(attempt: str) -> list[str]:
    """Return the ids of the containers of an attempt, as its runner has recorded them."""
    ids = (read_json(os.path.join(attempt, RECORD)) or {}).get("ids")
    return [name for name in ids if isinstance(name, str) and _ID.fullmatch(name)] if isinstance(ids, list) else []


def belongs_to(pid: int, attempt: str, ids: Sequence[str]) -> bool:
    """Return whether a process carries the mark of an attempt, or is in the cgroup of one of its containers.

    Args:
        ids: of the attempt's containers.
    """
    if marker_of(pid) == attempt:
        return True
    if not ids:
        return False
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            groups = file.read(1 << 16)
    except OSError:
        return False
    return any(name in groups for name in ids)
