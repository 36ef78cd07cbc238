"""Whether an attempt that has ended is followed by another one: decided from its end and its log alone."""

import math
import re
import signal
from dataclasses import dataclass

from engine.contracts.attempt_records import Retry
from engine.contracts.outcome import Outcome
from engine.contracts.states import RunState

_LONGEST_PAUSE_SECONDS = 1800.0
_BAD_INPUT = 2
"""The exit code of our stages for bad input, and of argparse for options that it does not take."""
_INTERRUPTED = signal.SIGINT
"""Ctrl-C or `kill -INT`: somebody wanted the end."""
_REPEATED_TYPES = re.compile(
    r"(?:\w+\.)*(?:FileNotFound|NotADirectory|IsADirectory|Permission|Key|Index|Value|Type|Attribute|Name|UnboundLocal"
    r"|Assertion|Import|ModuleNotFound|Syntax|Indentation|NotImplemented|ZeroDivision|UnicodeDecode|JSONDecode"
    r"|Scanner|Parser|YAML|Validation|UnidentifiedImage|DecompressionBomb|Yoloqat)Error\b|cv2\.error\b|SystemExit\b"
)
_REPEATED_MESSAGES = re.compile(
    r"device-side assert|size mismatch|Error\(s\) in loading state_dict|[Ss]izes? of tensors?|equal size"
    r"|shapes cannot be multiplied|is invalid for input of size|size of tensor|No such file"
)


@dataclass(frozen=True)
class LogFacts:
    """What the log of an attempt and its samples say of its end."""

    has_finished_epoch: bool = False
    error: str = ""
    """The line that names the Python error that it ended with; empty when there was none."""
    others_held_memory: bool = False
    """Other processes held memory of the same GPU or machine."""


@dataclass(frozen=True)
class Verdict:
    """Whether another attempt follows."""

    is_retried: bool
    text: str
    """What ended the attempt, `signal 9`; or why it is not retried."""


def decide_retry(state: RunState, outcome: Outcome, facts: LogFacts, retry: Retry) -> Verdict:
    """Decide on the next attempt.

    A signal may have had any cause outside of the run. Any other end repeats itself unless the attempt has got
    somewhere before it; an error in data or options repeats itself always.

    Args:
        state: of the run, by its outcome.
    """
    if retry.number >= retry.limit:
        return Verdict(False, f"retried {retry.number} times")
    if state not in (RunState.KILLED, RunState.FAILED, RunState.OUT_OF_MEMORY):
        return Verdict(False, f"it is {state.value}")
    if state is RunState.OUT_OF_MEMORY:
        return _decide_on_memory(facts, retry)
    number = _signal_of(outcome)
    if number == _INTERRUPTED or facts.error.startswith("KeyboardInterrupt"):
        return Verdict(False, "it was interrupted")
    if outcome.exit_code in (0, _BAD_INPUT) or is_repeated(facts.error):
        return Verdict(False, f"an error in data, options or code repeats itself: {facts.error or outcome.reason}")
    if number is not None:
        return Verdict(True, f"signal {number}")
    if not facts.has_finished_epoch:
        return Verdict(False, "it had not finished an epoch")
    return Verdict(True, f"exit code {outcome.exit_code}")


def is_repeated(error: str) -> bool:
    """Return whether the next attempt would end in the same Python error: one in data, options or code."""
    return bool(_REPEATED_TYPES.match(error) or _REPEATED_MESSAGES.search(error))


def pause_before(retry: Retry) -> float:
    """Return the seconds of pause before a retry: twice as long each time, half an hour at most."""
    return min(retry.pause_seconds * math.pow(2, retry.number - 1), max(_LONGEST_PAUSE_SECONDS, retry.pause_seconds))


def _decide_on_memory(facts: LogFacts, retry: Retry) -> Verdict:
    if retry.has_run_out_of_memory:
        return Verdict(False, "memory ran out a second time")
    if not facts.others_held_memory:
        return Verdict(False, "memory ran out, and nobody else held any")
    return Verdict(True, "out of memory")


def _signal_of(outcome: Outcome) -> int | None:
    """Return the signal that ended the command, or the program that a shell ran, which it tells by its exit code."""
    if outcome.signal is not None:
        return outcome.signal
    number = (outcome.exit_code or 0) - 128
    return number if number in signal.valid_signals() else None
