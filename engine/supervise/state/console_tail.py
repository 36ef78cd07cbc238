"""The end of a console log, by its last 64 KiB: what a state needs to know where no exit code tells it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.console.escapes import without_escapes
from engine.files.safe_open import open_regular

TAIL_BYTES = 64 << 10

_OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED"
    r"|cudaErrorMemoryAllocation|DefaultCPUAllocator: can't allocate memory"
    r"|slurmstepd.*(?:exceeded .*memory limit|oom[-_ ]kill)"
)
_WORKER_KILLED = re.compile(r"is killed by signal: Killed|Signal 9 \(SIGKILL\) received|exitcode *: -9\b")
_BAR = re.compile(r"(\d{1,3})%\|")
_COMPLETE = re.compile(r"\d+ epochs completed in [\d.]+ hours")
_ERROR = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit)\b.*")

EndingKind = Literal["nothing", "complete", "traceback", "interrupted", "cut off", "line"]


@dataclass(frozen=True, slots=True)
class LogEnding:
    """How a log ends."""

    kind: EndingKind
    """`cut off`: in the middle of a line or of a bar; `line`: with a whole line that says nothing special."""
    text: str
    """The line that shows it."""
    out_of_memory: bool = False
    """Memory ran out by the log's own words, and nothing moved after that."""
    worker_killed: bool = False
    """PyTorch says that a process of its own was killed (a data-loader worker, one of torchrun's)."""


def read_ending(path: Path) -> LogEnding:
    """Look at the end of a log. A log that is not there has nothing in it."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL_BYTES, 0))
            tail = file.read(TAIL_BYTES)
    except OSError:
        return LogEnding("nothing", "")
    return judge_ending(tail.decode(errors="replace"))


def judge_ending(tail: str) -> LogEnding:
    """Look at the last part of a log (it may begin in the middle of a line)."""
    frames = [without_escapes(frame).strip() for frame in re.split(r"[\r\n]", tail)]
    frames = [frame for frame in frames if frame]
    if not frames:
        return LogEnding("nothing", "")
    out_of_memory = _is_last_word(_OUT_OF_MEMORY, tail)
    worker_killed = _is_last_word(_WORKER_KILLED, tail)
    last = frames[-1]
    if "Traceback (most recent call last)" in tail and _ERROR.match(last):
        kind: EndingKind = "interrupted" if last.startswith("KeyboardInterrupt") else "traceback"
        return LogEnding(kind, last, out_of_memory, worker_killed)
    complete = _COMPLETE.search(tail)
    if complete:
        return LogEnding("complete", complete.group(), out_of_memory)
    bar = _BAR.search(last)
    unfinished = (bar is not None and int(bar.group(1)) < 100) or (bar is None and not tail.endswith("\n"))
    return LogEnding("cut off" if unfinished else "line", last, out_of_memory, worker_killed)


def _is_last_word(message: re.Pattern[str], tail: str) -> bool:
    """Return whether a message ends the log: the program got over one that a moving bar follows."""
    matches = list(message.finditer(tail))
    return bool(matches) and _BAR.search(tail, matches[-1].end()) is None
