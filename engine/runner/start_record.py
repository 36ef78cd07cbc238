"""Start records: what this user started on this machine, kept in the user's state folder, outside of every workspace.

A workspace can come from anyone, be copied or restored, so nothing in it can prove that its runs were started here. A
start record can: it names the attempt by its real path, its folder by inode, the machine, and a digest of what
`launch.json` asks for. It also holds what a workspace must not: the whole environment and the unmasked command line.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.files.json_records import read_json, write_json
from engine.runner.processes.identity import Identity, from_record

OWNER_ONLY = 0o600
MASK = "***"
"""Stands in the records of a workspace in the place of a secret."""
_FOLDER = "starts"
_DESCRIPTIVE = ("launcher", "provenance")
"""Of a launch record: nothing is done because of them."""
_NAME_CHARACTERS = 60
"""Of a run's id in the name of its record: what somebody sent may have ids of any length."""


class SecretsUnknown(Exception):
    """A run cannot be started here: what its records mask is not known."""


def state_folder() -> str:
    """Return this user's state folder: `$XDG_STATE_HOME/yoloqat`, else `~/.local/state/yoloqat`."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = state if os.path.isabs(state) else os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "yoloqat")


def write_start_record(
    attempt: str,
    launch: Mapping[str, Any],
    *,
    argv: Sequence[str],
    env: Mapping[str, str],
    environment: Mapping[str, str],
    command: Sequence[str],
    command_env: Mapping[str, str],
) -> None:
    """Record that this user starts an attempt on this machine.

    Args:
        attempt: path of the attempt folder, which exists.
        launch: `launch.json` as it stands in that folder.
        argv, env: what `launch.json` holds, without masks.
        environment: the whole environment that the runner starts in.
        command, command_env: of the run's specification, without masks.

    Raises:
        OSError: the state folder cannot be written.
    """
    path = _path(attempt)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    record = {
        "attempt": os.path.realpath(attempt),
        "inode": _inode(attempt),
        "machine": machine_id(),
        "digest": digest(launch),
        "argv": list(argv),
        "env": dict(env),
        "environment": dict(environment),
        "command": list(command),
        "command_env": dict(command_env),
    }
    write_json(path, record, mode=OWNER_ONLY)


def read_start_record(attempt: str) -> dict[str, Any] | None:
    """Return the record of an attempt; None when this user never started it, or when its folder is a copy."""
    record = read_json(_path(attempt))
    if record is None or record.get("attempt") != os.path.realpath(attempt) or record.get("inode") != _inode(attempt):
        return None
    return record


def is_started_here(attempt: str) -> bool:
    """Return whether this user started the attempt on this machine, and its `launch.json` still asks for the same."""
    record = read_start_record(attempt)
    if record is None or record.get("machine") != machine_id():
        return False
    launch = read_json(os.path.join(attempt, "launch.json"))
    return launch is not None and record.get("digest") == digest(launch)


def add_processes(attempt: str, runner: Identity, stage: Identity | None) -> None:
    """Record the processes of an attempt: no others are ever signalled for it. Does nothing without a record."""
    path = _path(attempt)
    record = read_json(path)
    if record is not None:
        record["processes"] = [identity._asdict() for identity in (runner, stage) if identity is not None]
        with contextlib.suppress(OSError):
            write_json(path, record, mode=OWNER_ONLY, durable=False)


def recorded_processes(attempt: str) -> list[Identity]:
    """Return runner and stage as their runner recorded them; empty without a record."""
    record = read_start_record(attempt) or {}
    identities = [from_record(process) for process in record.get("processes", ())]
    return [identity for identity in identities if identity is not None]


def delete_start_records(run: str) -> None:
    """Delete the records of all attempts of a run, which can be neither started nor resumed any more. Never raises."""
    with contextlib.suppress(OSError):
        for number in os.listdir(os.path.join(run, "attempts")):
            with contextlib.suppress(OSError):
                os.unlink(_path(os.path.join(run, "attempts", number)))


def started_attempts() -> Iterator[str]:
    """Yield the paths of all attempts that this user started, on whichever machine shares the state folder."""
    folder = os.path.join(state_folder(), _FOLDER)
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            record = read_json(os.path.join(folder, name)) if name.endswith(".json") else None
            if record is not None and isinstance(record.get("attempt"), str):
                yield record["attempt"]


def start_request(attempt: str, launch: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the additions to the environment of an attempt, unmasked where they are known.

    Raises:
        SecretsUnknown: `launch.json` holds masks, and this user has no start record of the attempt here.
    """
    record = read_start_record(attempt)
    if record is not None:
        return list(record["argv"]), dict(record["env"])
    argv, env = list(launch["argv"]), dict(launch.get("env") or {})
    if any(MASK in word for word in (*argv, *env.values())):
        raise SecretsUnknown("its secrets are known only where it was launched; launch it again")
    return argv, env


def digest(launch: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a launch record: command line, working directory, environment and all else it asks for."""
    import hashlib  # only now: it would make every runner larger

    request = {key: value for key, value in launch.items() if key not in _DESCRIPTIVE}
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode(errors="surrogatepass")).hexdigest()


def machine_id() -> str:
    """Return what tells this machine from others: systemd's machine id, else the host name."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="ascii") as file:
            text = file.read(64).strip()
            if text:
                return text
    return os.uname().nodename


def _path(attempt: str) -> str:
    run_id = os.path.basename(os.path.dirname(os.path.dirname(attempt)))
    name = f"{run_id[:_NAME_CHARACTERS]}-{os.path.basename(attempt)}-{_inode(attempt)}.json"
    return os.path.join(state_folder(), _FOLDER, name)


def _inode(attempt: str) -> int:
    """Return the inode of an attempt folder: a copy, or what a backup put back, has another one. 0 without a folder."""
    try:
        return os.stat(attempt).st_ino
    except OSError:
        return 0
