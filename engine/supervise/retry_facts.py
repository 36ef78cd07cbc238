"""What the log and the samples of an attempt say of its end, for the decision on a retry."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.contracts.facts import Crash, EpochRow, Fact, ValidationRow
from engine.contracts.run_folder import AttemptFolder
from engine.files.safe_open import open_regular
from engine.logs.parser import LogParser
from engine.supervise.retry import LogFacts, is_repeated
from engine.supervise.state.console_tail import TAIL_BYTES

_CHUNK_BYTES = 1 << 20
_SAMPLE_BYTES = 64 << 10
_GPU_BYTES = 256 << 20
"""On a GPU, less than this is a desktop or the driver itself."""
_HOST_SHARE = 0.25
"""Of the machine's memory; the system itself takes less."""
_OTHER_PROCESS = re.compile(r"Process \d+ has [\d.]+ (?:[KMG]iB|bytes) memory in use")
"""PyTorch names the other processes on the GPU in the message of the error."""


def collect_log_facts(attempt: AttemptFolder) -> LogFacts:
    """Read log and samples of an attempt that has ended. Files that cannot be read say nothing."""
    tail = _tail(attempt.console, TAIL_BYTES)
    return LogFacts(
        has_finished_epoch=_has_finished_epoch(attempt.console),
        error=ending_error(tail),
        others_held_memory=_others_held_memory(_last_sample(attempt.system), tail.decode(errors="replace")),
    )


def ending_error(tail: bytes) -> str:
    """Return the line that names the Python error after the last epoch or evaluation of a log's tail.

    Of several processes the others often end in an error of communication: one that repeats itself is the cause.
    """
    parser = LogParser()
    errors: list[str] = []
    for fact in [*parser.feed(tail), *parser.finish()]:
        if isinstance(fact, Crash):
            errors.append(fact.error)
        elif isinstance(fact, EpochRow | ValidationRow):
            errors.clear()
    return next((error for error in errors if is_repeated(error)), errors[-1] if errors else "")


def _has_finished_epoch(console: Path) -> bool:
    """Read the log no further than to the end of its first epoch."""
    parser = LogParser()
    try:
        with open_regular(console) as file:
            while chunk := file.read(_CHUNK_BYTES):
                if _has_epoch(parser.feed(chunk)):
                    return True
    except OSError:
        return False
    return _has_epoch(parser.finish())


def _has_epoch(facts: list[Fact]) -> bool:
    # The number of the epoch alone is the row of one that was cut off; a validation follows a whole one.
    epochs = any(isinstance(fact, EpochRow) and fact.values for fact in facts)
    return epochs or any(isinstance(fact, ValidationRow) and fact.epoch is not None for fact in facts)


def _others_held_memory(sample: Mapping[str, Any], tail: str) -> bool:
    """Return whether other processes held GPU memory: by the runner's last sample, else by PyTorch's own message."""
    gpus = [gpu for gpu in sample.get("gpus") or () if isinstance(gpu, dict)]
    by_run = [(gpu.get("memory_used_bytes"), gpu.get("run_memory_bytes")) for gpu in gpus]
    if any(isinstance(used, int) and isinstance(own, int) and used - own >= _GPU_BYTES for used, own in by_run):
        return True
    if _OTHER_PROCESS.search(tail):
        return True
    used, total, own = (sample.get(key) for key in ("host_memory_used_bytes", "host_memory_bytes", "rss_bytes"))
    if not (isinstance(used, int) and isinstance(total, int) and isinstance(own, int)) or "CUDA" in tail:
        return False  # what is left of the machine's memory says nothing of a GPU's
    return used - own >= _HOST_SHARE * total


def _last_sample(path: Path) -> Mapping[str, Any]:
    try:
        sample = json.loads(_tail(path, _SAMPLE_BYTES).splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return sample if isinstance(sample, dict) else {}


def _tail(path: Path, size: int) -> bytes:
    try:
        with open_regular(path) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - size, 0))
            return file.read(size)
    except OSError:
        return b""
