"""Crashes and memory that ran out, as logs tell them."""

import pytest

from engine.contracts.facts import Crash, EpochRow, OutOfMemory
from engine.logs.parser import LogParser
from tests.engine.logs.printed import HEADER, OUT_OF_MEMORY, TRACEBACK, bar, log, only, read, row


def test_a_traceback_is_one_crash_with_its_last_line_as_the_error() -> None:
    parser = LogParser()
    (crash,) = read(log(TRACEBACK, "KeyError: 'nc'", "what comes after"), parser)
    assert crash == Crash("KeyError: 'nc'", f"{TRACEBACK}\nKeyError: 'nc'")
    assert parser.not_understood == 1


@pytest.mark.parametrize(
    "error",
    [
        OUT_OF_MEMORY,
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "RuntimeError: CUDA error: out of memory",
        "MemoryError",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 1.00 TiB for an array",
    ],
)
def test_memory_that_ran_out_is_told_beside_the_crash(error: str) -> None:
    facts = read(log(TRACEBACK, error))
    assert [type(fact) for fact in facts] == [Crash, OutOfMemory]
    assert facts[1] == OutOfMemory(error)
    assert read(log(error)) == [OutOfMemory(error)], "where only the last line was kept"


def test_an_interruption_is_told_as_such() -> None:
    (crash,) = read(log(TRACEBACK, "KeyboardInterrupt"))
    assert crash.error == "KeyboardInterrupt"


def test_an_error_that_was_caused_by_another_one_is_two_crashes() -> None:
    between = "During handling of the above exception, another exception occurred:"
    facts = read(log(TRACEBACK, "KeyError: 'nc'", "", between, "", TRACEBACK, "ValueError: no classes"))
    assert [fact.error for fact in only(Crash, facts)] == ["KeyError: 'nc'", "ValueError: no classes"]


def test_a_traceback_behind_an_unfinished_bar() -> None:
    unfinished = f"{row(0)}: {bar(1, 3)}"
    facts = read(log(HEADER, unfinished + TRACEBACK, "ValueError: x"))
    assert [fact.error for fact in only(Crash, facts)] == ["ValueError: x"]
    assert only(EpochRow, facts) == []


def test_every_ranks_traceback_is_read() -> None:
    lines = [f"[rank1]: {line}" for line in [*TRACEBACK.split("\n"), "ValueError: x"]]
    assert read(log(*lines)) == [Crash("ValueError: x", f"{TRACEBACK}\nValueError: x")]


def test_a_traceback_that_never_ends_is_no_crash_and_does_not_hide_what_follows() -> None:
    facts = read(log(TRACEBACK, HEADER.lstrip(), f"{row(0).lstrip()}: {bar(3, 3)}"))
    assert [type(fact) for fact in facts] == [EpochRow]


def test_a_very_long_traceback_is_cut() -> None:
    deep = "\n".join(['  File "recursion.py", line 1, in f', "    f()"] * 5000)
    (crash,) = read(log("Traceback (most recent call last):", deep, "RecursionError: " + "x" * 5000))
    assert len(crash.traceback) < 20_000
    assert len(crash.error) == 1000


def test_words_about_errors_are_no_errors() -> None:
    assert read(log("no CUDA out of memory was seen", "see ValueError: in the manual", "Error: none")) == []
