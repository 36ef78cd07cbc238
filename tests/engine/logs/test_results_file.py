"""Files of results held against logs: what counts as agreement, and from which epoch on a file is another run's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.logs.results.results_file import ResultsFile, agree, is_as_precise, match_results, read_results
from engine.logs.save_dir import told_folder
from tests.engine.logs.printed import log, row
from tests.engine.logs.reading import FIXTURES


@pytest.mark.parametrize(
    ("logged", "stored", "expected"),
    [
        ("0.478", "0.4784", True),
        ("0.478", "0.479", True),
        ("0.478", "0.4791", False),
        ("0.478", "0.4769", False),
        ("1.23e+04", "12251", True),
        ("1.23e-05", "1.2e-05", True),
        ("0.000875", "0.00087", True),
        ("0.000875", "0.00075", False),
        ("0.478", "0.5", False),
        ("nan", "nan", True),
        ("nan", "0.1", False),
        ("inf", "inf", True),
        ("inf", "-inf", False),
        ("7.5G", "7.52G", True),
        ("0.5", "1e99999999", False),
        ("1e" + "9" * 5000, "0.1", False),
        ("0.5", "half", False),
    ],
)
def test_one_unit_of_the_last_digit(logged: str, stored: str, expected: bool) -> None:
    assert agree(logged, stored) is expected


@pytest.mark.parametrize(
    ("stored", "logged", "expected"),
    [
        ("0.4784", "0.478", True),
        ("0.00087", "0.000875", False),
        ("0.48", "0.480", True),
        ("nan", "nan", True),
        ("1e-05", "0.00001", True),
    ],
)
def test_what_takes_the_place_of_the_log(stored: str, logged: str, expected: bool) -> None:
    assert is_as_precise(stored, logged) is expected


def rows(*epochs: int, loss: float = 0.05) -> bytes:
    return log(*(row(epoch, 9, loss) + " 0.5 0.4 0.3 0.2 0.07 0.03 0.02" for epoch in epochs))


def test_a_file_that_is_written_again_from_an_epoch_on() -> None:
    """A resumed training repeats the epoch that was lost, a new one in the same folder begins at 0."""
    resumed = read_results([rows(0, 1, 2, 3), rows(2, 3, 4, loss=0.03)])
    assert [(epoch, values["box"]) for epoch, values in resumed.epochs.items()] == [
        (0, "0.05"),
        (1, "0.05"),
        (2, "0.03"),
        (3, "0.03"),
        (4, "0.03"),
    ]
    assert list(read_results([rows(0, 1, 2, 3), rows(0)]).epochs) == [0]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_any_pieces(size: int) -> None:
    data = (FIXTURES / "results_yolov5.csv").read_bytes()
    found = read_results(data[at : at + size] for at in range(0, len(data), size))
    assert found == read_results([data])
    assert (found.source, found.first_epoch, list(found.epochs)) == ("results.csv", 0, [0, 1, 2])


def test_other_files() -> None:
    for data in (b"", b"\0" * 999, b"speed 12 ms\n", rows()):
        assert read_results([data]) == ResultsFile()
    assert read_results([(FIXTURES / "yolov5.txt").read_bytes()]).epochs == {}, "a log is no file of results"


def test_epochs_from_0_and_from_1() -> None:
    file = ResultsFile("results.csv", 0, {0: {"box_loss": "0.51234"}, 1: {"box_loss": "0.41234"}})
    one = match_results(file, {1: {"box_loss": "0.512"}, 2: {"box_loss": "0.412"}}, 1)
    assert (one.is_of_one_run, one.compared, dict(one.epochs)) == (True, 2, {1: file.epochs[0], 2: file.epochs[1]})
    untold = match_results(file, {0: {"box": "0.512"}}, None)
    assert untold.is_of_one_run
    assert untold.epochs[1] == {"box": "0.41234"}, "by the log's names"
    other = match_results(file, {0: {"box_loss": "0.512"}, 1: {"box_loss": "0.415"}}, 0)
    assert other.difference is not None
    assert (other.difference.epoch, other.difference.stored) == (1, "0.41234")
    assert not match_results(file, {7: {"box_loss": "0.512"}}, 0).is_of_one_run, "nothing in common"


@pytest.mark.parametrize(
    ("kind", "payload", "folder"),
    [
        ("options", {"text": "Namespace(weights='a', save_dir='runs/train/exp', x=1)"}, "runs/train/exp"),
        ("options", {"text": "Namespace(save_dir=PosixPath('runs/my exp'))"}, "runs/my exp"),
        ("options", {"text": "engine/trainer: epochs=3, save_dir=runs\\detect\\train"}, "runs/detect/train"),
        ("options", {"text": "train: epochs=3, save_dir=None"}, None),
        ("folder", {"text": "Logging results to runs/train/exp3"}, "runs/train/exp3"),
        ("folder", {"text": "Results saved to C:\\runs\\exp"}, "C:/runs/exp"),
        ("checkpoint stripped", {"path": "runs/train/exp/weights/last.pt"}, "runs/train/exp"),
        ("checkpoint stripped", {"path": "last.pt"}, None),
        ("warning", {"text": "Logging results to x"}, None),
    ],
)
def test_the_folder_that_a_log_names(kind: str, payload: dict[str, str], folder: str | None) -> None:
    assert told_folder(kind, payload) == folder


@given(st.binary(max_size=400), st.text(max_size=40), st.text(max_size=40))
def test_nothing_is_ever_raised(data: bytes, one: str, other: str) -> None:
    header = b"epoch,train/box_loss,metrics/precision,metrics/recall,metrics/mAP_0.5,metrics/mAP_0.5:0.95\n"
    for file in (read_results([data]), read_results([header + b"0,1e999,nan,-inf,1e-9999,0\n" + data])):
        match_results(file, {0: {"box_loss": one, "P": other}}, None)
    assert agree(one, one)
    assert agree(one, other) in (True, False)
    assert is_as_precise(one, other) in (True, False)
