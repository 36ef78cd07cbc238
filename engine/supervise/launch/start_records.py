"""What this user starts: the start records that launching writes, and the secrets that only they hold.

See `engine.runner.start_record` for what a start record proves.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.spec import RunSpec
from engine.files.json_records import read_json
from engine.runner.processes.children import MARK, marker_of
from engine.runner.processes.identity import ALIVE, Identity, presence, send_signal
from engine.runner.start_record import (
    MASK,
    OWNER_ONLY,
    is_started_here,
    read_start_record,
    recorded_processes,
    state_folder,
    write_start_record,
)
from engine.supervise.launch.masking import mask_argv, mask_environment

STOPPER_MARK = "stop:"
"""Before the attempt folder, in the environment of a process that stops it in its runner's place."""
GROUP_READS = 0o640
"""Permissions of records that may hold a secret, where the setting `shared` lets the group read them."""


@dataclass(frozen=True)
class StartRequest:
    """What a runner starts, without masks."""

    argv: Sequence[str]
    env: Mapping[str, str]
    """On top of the launcher's environment."""


def record_mode(folder: RunFolder, is_shared: bool) -> int:
    """Return the permissions of a run's records that may hold a secret; later attempts keep those of the first."""
    try:
        return stat.S_IMODE(os.stat(folder.spec).st_mode)
    except OSError:
        return GROUP_READS if is_shared else OWNER_ONLY


def record_start(folder: RunFolder, attempt: AttemptFolder, spec: RunSpec, request: StartRequest) -> None:
    """Write the start record of an attempt whose `launch.json` is written.

    Raises:
        YoloqatError: the state folder cannot be written.
    """
    launch = read_json(str(attempt.launch)) or {}
    whole = unmasked_spec(folder, spec)
    try:
        write_start_record(
            str(attempt.path),
            launch,
            argv=request.argv,
            env=request.env,
            environment=os.environ,
            command=whole.command,
            command_env=whole.env,
        )
    except OSError as error:
        raise YoloqatError(
            f"the start cannot be recorded: {error.strerror or error}",
            where=str(error.filename or state_folder()),
            hint="Free some disk space, or name a folder that can be written: XDG_STATE_HOME.",
        ) from error


def masked_spec(spec: RunSpec) -> RunSpec:
    """Return a specification as a workspace may hold it."""
    return spec.model_copy(update={"command": mask_argv(spec.command), "env": mask_environment(spec.env)})


def unmasked_spec(folder: RunFolder, spec: RunSpec) -> RunSpec:
    """Return a specification as it was launched.

    Raises:
        YoloqatError: it holds masks, and the run was not launched by this user, or its start records are gone.
    """
    masks = [word for word in (*spec.command, *spec.env.values()) if MASK in word]
    if not masks:
        return spec
    for attempt in reversed(folder.attempts()):
        record = read_start_record(str(attempt.path))
        if record is not None:
            return spec.model_copy(update={"command": record["command"], "env": record["command_env"]})
    names = [name for name, value in spec.env.items() if MASK in value]
    for before, word in zip(["", *spec.command], spec.command, strict=False):
        if MASK in word:
            names.append(before if word == MASK and before.startswith("-") else word)
    raise YoloqatError(
        f"secrets must be given anew, for this workspace does not hold them: {', '.join(names)}",
        where=str(folder.spec),
        hint="Launch it again with `yoloqat run`.",
    )


def may_start(attempt: AttemptFolder) -> bool:
    """Return whether a queued attempt may be started without asking: this user launched it, here, as it stands."""
    return is_started_here(str(attempt.path))


def start_environment(attempt: AttemptFolder) -> dict[str, str] | None:
    """Return the whole environment that an attempt was launched in; None when that is not recorded."""
    record = read_start_record(str(attempt.path))
    environment = record.get("environment") if record is not None else None
    return {name: value for name, value in environment.items() if name != MARK} if environment else None


def is_own_process(attempt: AttemptFolder, identity: Identity) -> bool:
    """Return whether a process is one of this attempt's, by more than what a workspace says: only such are signalled.

    Its runner has recorded it in the user's state folder, or it carries the attempt in its environment, where nobody
    but who started it can have put it.
    """
    if identity in recorded_processes(str(attempt.path)):
        return True
    mark = marker_of(identity.pid)
    return mark is not None and os.path.realpath(mark.removeprefix(STOPPER_MARK)) == os.path.realpath(attempt.path)


def is_other_process(attempt: AttemptFolder, identity: Identity) -> bool:
    """Return whether a process belongs to another attempt, as it does where a live run's folder was copied."""
    mark = marker_of(identity.pid)
    return mark is not None and os.path.realpath(mark.removeprefix(STOPPER_MARK)) != os.path.realpath(attempt.path)


def signal_own_process(attempt: AttemptFolder, identity: Identity, signal_number: int) -> bool:
    """Signal a process of this attempt; False when it is gone, not ours to signal, or not one of the attempt."""
    return presence(identity) == ALIVE and is_own_process(attempt, identity) and send_signal(identity, signal_number)
