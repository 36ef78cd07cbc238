"""Whether a run has ended, told by the names of its files where these are enough.

Most runs of a workspace ended long ago. Loads no pydantic, which costs a command more than all else that it does.
"""

import os

from engine.contracts.run_folder import RunFolder
from engine.files.json_records import read_json

_OF_A_PROCESS = frozenset({"launch.json", "process.json", "watch.json", "slurm.json"})
"""Without these there never was a process that somebody here could know of."""


def has_plainly_ended(folder: RunFolder) -> bool:
    """Return whether the newest attempt has an outcome, or never had a process; False where only `read_state` can
    tell.
    """
    attempts = folder.attempts()
    if not attempts:
        return True
    try:
        names = set(os.listdir(attempts[-1].path))
    except OSError:
        return False
    if not names & _OF_A_PROCESS:
        return True
    # A cluster may put a job back that had ended, and a watched log may go on.
    if names & {"slurm.json", "watch.json"} or "outcome.json" not in names:
        return False
    outcome = read_json(str(attempts[-1].outcome))
    return outcome is not None and {"kind", "started_at", "ended_at"} <= outcome.keys()
