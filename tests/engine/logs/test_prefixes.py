"""What launchers put before every line, and what they say themselves."""

from pathlib import Path

import pytest

from engine.contracts.facts import Note, OutOfMemory, ProcessEnded
from tests.engine.logs.printed import log, only, read
from tests.engine.logs.reading import FIXTURES, read_fixture, table, trained, validated
from tests.engine.logs.test_dialects import CONSOLES

SRUN = ("0: ", " 0: ", "12: ")
PREFIXES = (*SRUN, "[rank0]: ", "[rank0]:", "[default0]:", "1683014400123 host:0 info ")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("path", [path for path in CONSOLES if path.stem != "slurm_yolov7"], ids=lambda path: path.name)
def test_the_facts_are_those_without_it(path: Path, prefix: str) -> None:
    lines = path.read_text().split("\n")
    if prefix in SRUN:
        lines = [line.rpartition("\r")[2] for line in lines]
    labelled = "\n".join(prefix + line if line else line for line in lines)
    assert read(labelled.encode()) == read("\n".join(lines).encode())


def test_a_job_of_slurm_that_ran_into_its_limit() -> None:
    facts, parser = read_fixture("slurm_yolov7.txt")
    assert [row[:2] for row in trained(facts)] == [["0", "4"], ["1", "4"]]
    assert validated(facts) == table("""
        0 0.7 0.6 0.655 0.461
        1 0.7 0.6 0.665 0.471
    """)
    [ending] = only(ProcessEnded, facts)
    line = "slurmstepd: error: *** JOB 4242 ON gpu-3 CANCELLED AT 2026-11-20T12:00:00 DUE TO TIME LIMIT ***"
    assert (ending.cause, ending.line) == ("time limit", line)
    [warning] = [note for note in only(Note, facts) if note.kind == "warning"]
    assert "NaN value encountered" in warning.text
    assert parser.not_understood == 0


@pytest.mark.parametrize(
    "line",
    [
        "slurmstepd: error: Detected 1 oom_kill event in StepId=4242.0. Some of the step tasks have been OOM Killed.",
        "slurmstepd: error: Detected 1 oom-kill event(s) in step 4242.0 cgroup.",
        "srun: error: gpu-3: task 0: Out Of Memory",
    ],
)
def test_memory_that_ran_out_by_slurms_words(line: str) -> None:
    assert only(OutOfMemory, read(log(line))) == [OutOfMemory(line)]


@pytest.mark.parametrize("line", ["  12 apples", "     0/4: x", "0:30"])
def test_numbers_with_a_colon_are_no_rows(line: str) -> None:
    before = (FIXTURES / "yolov5.txt").read_bytes()
    assert len(read(before + line.encode() + b"\n")) == len(read(before))
