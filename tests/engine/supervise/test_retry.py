"""Which ends are worth another attempt, from the end and the log alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.contracts.attempt_records import Retry
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.states import RunState
from engine.supervise.retry import LogFacts, decide_retry, pause_before
from engine.supervise.retry_facts import collect_log_facts, ending_error

ROW = "%10s" * 8 + "\n" + "%10s" * 2 + "%10.4g" * 6 + ": 100%%|#####| 2/2 [00:01<00:00,  2.00it/s]\n"
EPOCH = ROW % (
    *("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size"),
    *("0/5", "1.2G", 0.1, 0.02, 0.01, 0.13, 12, 640),
)
CUT = EPOCH.replace("100%", " 50%").replace("2/2", "1/2").rstrip()
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\n    go()\n{}\n'
SOME = Retry(limit=3)
EPOCHS = LogFacts(has_finished_epoch=True)
GB = 1 << 30


def exited(code: int) -> Outcome:
    return Outcome(kind=OutcomeKind.EXITED, exit_code=code, reason=f"exit code {code}")


def killed(number: int) -> Outcome:
    return Outcome(kind=OutcomeKind.SIGNALED, signal=number)


@pytest.mark.parametrize(
    ("state", "outcome", "facts", "after"),
    [
        (RunState.KILLED, killed(9), LogFacts(), "signal 9"),
        (RunState.FAILED, exited(137), LogFacts(), "signal 9"),
        (RunState.FAILED, exited(139), LogFacts(), "signal 11"),
        (RunState.FAILED, exited(1), EPOCHS, "exit code 1"),
        (RunState.FAILED, exited(1), LogFacts(True, "RuntimeError: NCCL communicator was aborted"), "exit code 1"),
        (RunState.FAILED, exited(1), LogFacts(True, "OSError: [Errno 5] Input/output error"), "exit code 1"),
        (RunState.OUT_OF_MEMORY, exited(1), LogFacts(others_held_memory=True), "out of memory"),
    ],
)
def test_ends_that_are_retried(state: RunState, outcome: Outcome, facts: LogFacts, after: str) -> None:
    verdict = decide_retry(state, outcome, facts, SOME)
    assert (verdict.is_retried, verdict.text) == (True, after)


@pytest.mark.parametrize(
    ("state", "outcome", "facts", "retry"),
    [
        (RunState.FAILED, exited(1), LogFacts(), SOME),
        (RunState.FAILED, exited(2), EPOCHS, SOME),
        (RunState.FAILED, exited(0), EPOCHS, SOME),
        (RunState.FAILED, exited(130), EPOCHS, SOME),
        (RunState.KILLED, killed(2), EPOCHS, SOME),
        (RunState.KILLED, killed(6), LogFacts(True, "RuntimeError: CUDA error: device-side assert triggered"), SOME),
        (RunState.FAILED, exited(1), LogFacts(True, "KeyboardInterrupt"), SOME),
        (RunState.FAILED, exited(1), LogFacts(True, "AssertionError: train: No labels in train.cache"), SOME),
        (RunState.FAILED, exited(1), LogFacts(True, "PIL.UnidentifiedImageError: cannot identify image file"), SOME),
        (RunState.FAILED, exited(1), LogFacts(True, "cv2.error: OpenCV(4.9.0) resize.cpp:4152"), SOME),
        (RunState.FAILED, exited(1), LogFacts(True, "yaml.scanner.ScannerError: mapping values are not allowed"), SOME),
        (RunState.STOPPED, exited(1), EPOCHS, SOME),
        (RunState.ENDED, exited(0), EPOCHS, SOME),
        (RunState.KILLED, killed(9), EPOCHS, Retry(limit=3, number=3)),
        (RunState.OUT_OF_MEMORY, exited(1), EPOCHS, SOME),
        (
            RunState.OUT_OF_MEMORY,
            exited(1),
            LogFacts(True, others_held_memory=True),
            Retry(limit=3, has_run_out_of_memory=True),
        ),
    ],
)
def test_ends_that_are_not(state: RunState, outcome: Outcome, facts: LogFacts, retry: Retry) -> None:
    assert not decide_retry(state, outcome, facts, retry).is_retried


def test_the_pause_grows_to_half_an_hour() -> None:
    assert [pause_before(Retry(limit=99, number=number)) for number in (1, 2, 3, 99)] == [20, 40, 80, 1800]


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptFolder:
    return AttemptFolder(tmp_path)


@pytest.mark.parametrize(
    ("log", "has_finished"),
    [
        (EPOCH, True),
        (CUT, False),
        (f"{CUT}\n{TRACEBACK.format('RuntimeError: NCCL error')}", False),
        ("Starting training for 6 epochs...\n", False),
    ],
)
def test_an_epoch_is_finished_once_its_bar_is_full(attempt: AttemptFolder, log: str, has_finished: bool) -> None:
    attempt.console.write_text(log)
    assert collect_log_facts(attempt).has_finished_epoch is has_finished


def test_an_error_that_training_went_on_after_is_not_how_it_ended() -> None:
    caught = TRACEBACK.format("ValueError: corrupt JPEG")
    assert ending_error(caught.encode()) == "ValueError: corrupt JPEG"
    assert ending_error((caught + EPOCH).encode()) == ""
    assert ending_error((EPOCH + caught).encode()) == "ValueError: corrupt JPEG"


def test_the_error_of_one_process_is_the_cause_of_those_of_the_others() -> None:
    errors = ("ValueError: corrupt label", "RuntimeError: NCCL error", "torch.distributed.errors.ChildFailedError: ")
    log = EPOCH + "".join(TRACEBACK.format(error) for error in errors)
    assert ending_error(log.encode()) == "ValueError: corrupt label"


@pytest.mark.parametrize(
    ("sample", "others"),
    [
        ({"gpus": [{"memory_used_bytes": 20 * GB, "run_memory_bytes": 12 * GB}]}, True),
        ({"gpus": [{"memory_used_bytes": 20 * GB, "run_memory_bytes": 20 * GB - 1000}]}, False),
        ({"gpus": [{"memory_used_bytes": 20 * GB, "run_memory_bytes": None}]}, False),
        ({"host_memory_used_bytes": 60 * GB, "host_memory_bytes": 64 * GB, "rss_bytes": 10 * GB}, True),
        ({"host_memory_used_bytes": 60 * GB, "host_memory_bytes": 64 * GB, "rss_bytes": 55 * GB}, False),
        ({}, False),
    ],
)
def test_memory_of_others_is_seen_in_the_last_sample(
    attempt: AttemptFolder, sample: dict[str, Any], others: bool
) -> None:
    attempt.console.write_text("")
    attempt.system.write_text('{"gpus": []}\n' + json.dumps(sample) + "\n")
    assert collect_log_facts(attempt).others_held_memory is others
