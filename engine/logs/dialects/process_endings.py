"""Lines with which a shell, torchrun or Slurm tells how a program was ended from outside."""

import re

from engine.contracts.facts import ProcessEnded

WORDS = (
    *("Killed", "Terminated", "Segmentation", "us error"),  # shells
    "*** ",  # Slurm
    "(SIG",  # torchrun
)
"""One of them stands in each line that means something here. For each, the whole log is searched."""
_SHELL = r"(?:\S{1,200}: line \d{1,6}: +\d{1,9} +|\[\d+\][-+]? +(?:\d+ +)?)?"
"""Before a word of bash: `./run.sh: line 3: 812 Killed   python train.py`."""
_ENDINGS: tuple[tuple[str, str], ...] = (
    (rf"{_SHELL}Killed(?:\s.*)?$", "killed"),
    (rf"{_SHELL}Terminated(?:\s.*)?$", "terminated"),
    (rf"{_SHELL}Segmentation fault(?:\s.*)?$", "segmentation fault"),
    (rf"{_SHELL}Bus error(?:\s.*)?$", "out of shared memory (bus error; docker: --shm-size)"),
    (r".*DataLoader worker .*killed by signal: Bus error", "out of shared memory (bus error; docker: --shm-size)"),
    (r".*DataLoader worker .*killed by signal: Killed", "a data-loader worker was killed"),
    (r".*\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ DUE TO TIME LIMIT", "time limit"),
    (r".*\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ DUE TO PREEMPTION", "preempted"),
    (r".*\*\*\* (?:JOB|STEP) \S+ ON \S+ (?:CANCELLED AT \S+ )?DUE TO NODE FAIL", "node failed"),
    (r".*\*\*\* (?:JOB|STEP) \S+ ON \S+ FAILURE AT", "node failed"),
    (r".*\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT", "cancelled"),
    (r".*Signal \d{1,2} \((SIG[A-Z0-9]+)\) received by PID", "killed ({})"),
    (r".*exitcode\s*:\s*-\d{1,2} .*\((SIG[A-Z0-9]+)\)", "killed ({})"),
)
_PATTERNS = tuple((re.compile(pattern), cause) for pattern, cause in _ENDINGS)
_MOST_CHARACTERS = 1000


def read(text: str) -> ProcessEnded | None:
    """Return how the line says that a program was ended; None of other lines."""
    line = text.strip()[:_MOST_CHARACTERS]
    if not any(word in line for word in WORDS):
        return None
    for pattern, cause in _PATTERNS:
        match = pattern.match(line)
        if match is not None:
            return ProcessEnded(cause.format(*match.groups()), line)
    return None
