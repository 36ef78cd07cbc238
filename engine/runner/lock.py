"""The lock on an attempt: one runner at a time, and a stage is never started twice."""

import fcntl
import os
import time

from engine.files.json_records import read_json
from engine.files.safe_open import open_descriptor

_TRIES = 20
_PAUSE_SECONDS = 0.05


class AlreadyStarted(Exception):
    """This attempt cannot be run here: it has ended, or another runner has it."""


def acquire(attempt: str) -> int:
    """Lock an attempt, on its `launch.json`.

    The stage inherits the lock, so it is held as long as runner or stage lives, and seen from any container. A reader
    probes it by taking it for a moment, so a refusal is tried again.

    Returns:
        The descriptor that holds the lock.

    Raises:
        AlreadyStarted: another runner or its stage lives, or the attempt has ended or was started before.
        OSError: there is no `launch.json`.
    """
    descriptor = open_descriptor(os.path.join(attempt, "launch.json"))
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        except OSError:  # a file system without locks: go without
            break
    else:
        raise AlreadyStarted("another runner has this attempt, or something of its stage still lives")
    if os.path.exists(os.path.join(attempt, "outcome.json")):
        raise AlreadyStarted("this attempt has ended")
    if (read_json(os.path.join(attempt, "process.json")) or {}).get("stage"):
        raise AlreadyStarted("this attempt has been started before")
    return descriptor
