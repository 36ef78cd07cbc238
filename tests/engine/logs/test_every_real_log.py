"""Every published log of the shared folder against a table that was made with grep and awk, never with the parser.

The logs are not ours to ship: the tests skip where the folder is absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from engine.contracts.facts import (
    CocoLine,
    Crash,
    EpochRow,
    Fact,
    LogFormat,
    Note,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)
from engine.logs.parser import LogParser
from tests.engine.logs.printed import only, read
from tests.engine.logs.reading import final, trained, validated
from tests.engine.logs.test_real_logs import FOLDER

# file | epochs: how many, first–last | first row | last row | first validation | last validation | best epoch | end
TABLE = """
yolov7-tiny-nohup.out | 300 0-299 | 0 299 1.81G 0.06945 0.03649 0 0.1059 37 640 | 299 299 2.3G 0.02301 0.01742 0 0.04043 29 640 | 0 0.00955 0.359 0.00496 0.000785 | 299 0.965 0.978 0.993 0.791 | 276 0.792 | 300 epochs 0.944
yolov7-notebook-300ep.txt | 300 0-299 | 0 299 7.36G 0.06121 0.8553 0.2309 1.147 33 640 | 299 299 9.46G 0.02705 0.06261 0.01157 0.1012 114 640 | 0 0.000139 0.00545 1.49e-05 1.7e-06 | 299 0.584 0.698 0.592 0.369 | 291 0.449 | 300 epochs 3.355
yolov7-resumed.txt | 75 225-299 | 225 299 7.55G 0.01582 0.04467 0.003164 0.06365 33 640 | 299 299 7.99G 0.01429 0.04195 0.002855 0.05909 100 640 | 225 0.828 0.805 0.792 0.529 | 299 0.802 0.819 0.791 0.536 | 264 0.547 | 75 epochs 0.808
yolov7-colab-cut.txt | 37 0-36 | 0 399 7.59G 0.05844 0.01479 0.05026 0.1235 16 640 | 36 399 12.6G 0.02317 0.01024 0.04178 0.07519 34 640 | 0 0.102 0.111 0.0319 0.0113 | 36 0.198 0.454 0.0724 0.0154 | 32 0.0284 | cut off
yolov7-colab-head-truncated.txt | 999 501-1499 | 501 1499 10.7G 0.02091 0.003286 0 0.02419 7 640 | 1499 1499 10.7G 0.009237 0.004015 0 0.01325 30 640 | 501 0.75 0.857 0.649 0.416 | 1499 0.75 0.857 0.656 0.442 | 625 0.52 | 1500 epochs 0.957
yolov7-windows-crash.txt | 0 | | | | | | BrokenPipeError: [Errno 32] Broken pipe
yolov7-killed-in-scan.txt | 0 | | | | | | no epochs
yolov7-qat.log | 10 1-10 | 1 10 1.78852 1e-06 | 10 10 2.54278 1e-06 | 1 0.726 0.625 0.681 0.486 | 10 0.718 0.632 0.681 0.486 | 7 0.487 | all epochs
yolov7-results-100ep.txt | 100 0-99 | 0 99 7.27G 0.07323 0.1057 0.05386 0.2328 132 640 0.08878 0.02468 0.02696 | 99 99 15.6G 0.02952 0.005812 0.0006034 0.03593 133 640 0.0499 0.02381 0.01261 | 0 0.9302 0.07428 0.04924 0.01218 | 99 0.6988 0.5218 0.5388 0.3126 | 99 0.3126 | all epochs
yolov7-results-crlf.txt | 300 0-299 | 0 299 7.36G 0.06121 0.8553 0.2309 1.147 33 640 0.1072 0.2028 0.287 | 299 299 7.99G 0.01429 0.04195 0.002855 0.05909 100 640 0.03409 0.3484 0.02238 | 0 0 0 0 0 | 299 0.8017 0.8187 0.7911 0.5358 | 264 0.5465 | all epochs
yolov7-results-unfinished.txt | 252 0-251 | 0 499 7.4G 0.07496 0.5429 0.02319 0.641 25 640 0.1013 0.02678 0.02226 | 251 499 7.39G 0.0115 0.004652 0.0003 0.01645 20 640 0.01198 0.006498 0.002512 | 0 0.02971 0.287 0.02544 0.006201 | 251 0.9991 0.9995 0.9967 0.9585 | 250 0.9589 | cut off
yolov7-tiny-nohup.results.txt | 300 0-299 | 0 299 1.81G 0.06945 0.03649 0 0.1059 37 640 0.09185 0.05745 0 | 299 299 2.3G 0.02301 0.01742 0 0.04043 29 640 0.03363 0.05843 0 | 0 0.009547 0.3594 0.004961 0.0007853 | 299 0.9652 0.9785 0.9929 0.7909 | 276 0.7918 | all epochs
yolov5-v1-giou.txt | 5 0-4 | 0 4 9.65G 0.1222 0.08038 0.1221 0.3248 223 640 | 4 4 8.86G 0.1109 0.08885 0.1198 0.3196 257 640 | 0 0 0 0 0 | 4 0 0 0 0 | 0 0 | 5 epochs 0.007
yolov5-v7.txt | 3 0-2 | 0 2 3.74G 0.04618 0.07207 0.017 232 640 | 2 2 5.36G 0.04361 0.06479 0.01698 227 640 | 0 0.672 0.594 0.682 0.451 | 2 0.758 0.641 0.731 0.487 | 2 0.487 | 3 epochs 0.005
yolov5-v7-val-pycocotools.txt | 0 | | | | | | no epochs
yolov5-nohup.out | 300 0-299 | 0 299 13.5G 0.1168 0.03311 0 191 640 | 299 299 13.5G 0.03614 0.01435 0 189 640 | 0 0.000311 0.0477 0.000163 3.73e-05 | 299 0.855 0.753 0.832 0.473 | 299 0.473 | 300 epochs 1.865
yolov5-early-stop.out | 175 0-174 | 0 499 1.92G 0.1136 0.0325 0.05719 12 640 | 174 499 2.43G 0.02906 0.01478 0.001056 13 640 | 0 0.000962 0.15 0.000891 0.000161 | 174 0.415 0.298 0.301 0.107 | 74 0.126 | early 175 epochs 0.693
yolov5-clearml-export.txt | 350 0-349 | 0 349 10.9G 0.1122 0.03575 0 80 640 | 349 349 12.4G 0.01957 0.007697 0 81 640 | 0 0.000129 0.0197 6.6e-05 1.86e-05 | 349 0.963 0.888 0.937 0.725 | 345 0.726 | 350 epochs 12.051
yolov5-clearml-nan-epoch.txt | 400 0-399 | 0 399 11.4G 0.112 0.03443 0 111 640 | 399 399 13.2G 0.0263 0.01072 0 87 640 | 0 0.000268 0.0411 0.000145 2.45e-05 | 399 0.916 0.84 0.899 0.584 | 397 0.584 | 400 epochs 8.172
yolov5-relu-results.csv | 50 0-49 | 0 0 0.040991 0.06144 0.016547 0.039552 0.046546 0.013902 0.0070016 0.00033315 0.00033315 | 49 49 0.037184 0.056035 0.012798 0.038849 0.046964 0.014101 4.096e-05 4.096e-05 4.096e-05 | 0 0.70794 0.5569 0.60952 0.41644 | 49 0.70488 0.56397 0.61273 0.42771 | 29 0.43178 | all epochs
yolov6-train.txt | 100 0-99 | 0 99 4.583 3.153 11.44 1.808 | 99 99 2.723 1.984 5.113 2.729 | 0 0.0 0.0 | 99 0.003454596142400072 0.001096205320071562 | 67 0.003096991523250025 | None epochs 0.230
yolov9-colab-100ep.txt | 100 0-99 | 0 99 13.6G 5.444 9.332 5.251 15 640 | 99 99 13.6G 1.705 1.113 1.829 15 640 | 0 0.00278 0.25 0.0028 0.000898 | 99 0.904 0.95 0.946 0.585 | 99 0.585 | 100 epochs 1.150
yolov9-colab-100ep.results.csv | 100 0-99 | 0 0 5.4445 9.3316 5.2508 0 0 0 0.070857 0.0032381 0.0032381 | 99 99 1.705 1.1134 1.8289 0 0 0 0.000298 0.000298 0.000298 | 0 0.0027778 0.25 0.0028031 0.00089804 | 99 0.90387 0.95 0.9455 0.58494 | 99 0.58494 | all epochs
yolov10-colab-50ep.txt | 50 1-50 | 1 50 4.72G 2.494 5.094 2.502 51 640 | 50 50 7.55G 0.7152 0.592 1.649 15 640 | 1 0.0578 0.0752 0.0111 0.00342 | 50 0.918 0.781 0.856 0.804 | 45 0.804 | 50 epochs 0.270
ultralytics-all-nan.txt | 100 1-100 | 1 100 2.67G nan nan nan 140 1024 | 100 100 2.57G nan nan nan 82 1024 | 1 0 0 0 0 | 100 0.0046 0.00481 0.00573 0.00537 | 94 0.00729 | 100 epochs 0.286
ultralytics-all-nan.results.csv | 100 1-100 | 1 1 nan nan nan nan nan nan 5.434e-05 5.434e-05 5.434e-05 | 100 100 nan nan nan nan nan nan 5.6914e-06 5.6914e-06 5.6914e-06 | 1 0 0 0 0 | 100 0.0046 0.00481 0.00573 0.00537 | 94 0.00729 | all epochs
ultralytics-killed.log | 0 | | | | | | no epochs
ultralytics-oom.log | 0 | | | | | | torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 128.00 MiB.
foreign-yolox.log | 0 | | | | | | no epochs
foreign-openmmlab.json | 0 | | | | | | no epochs
"""  # noqa: E501
FINAL = {
    "yolov5-v7.txt": "0.757 0.641 0.732 0.487",
    "yolov5-nohup.out": "0.855 0.753 0.832 0.471",
    "yolov5-early-stop.out": "0.364 0.396 0.364 0.123",
    "yolov5-clearml-export.txt": "0.963 0.887 0.937 0.726",
    "yolov5-clearml-nan-epoch.txt": "0.936 0.824 0.899 0.584",
    "yolov5-v7-val-pycocotools.txt": "0.67 0.521 0.566 0.371",
    "yolov5-relu-results.csv": "0.70137 0.56323 0.61577 0.4322",
    "yolov9-colab-100ep.txt": "0.903 0.95 0.946 0.584",
    "yolov10-colab-50ep.txt": "0.954 0.763 0.857 0.804",
    "ultralytics-all-nan.txt": "0.0108 0.00747 0.0087 0.00765",
}
"""The last evaluation of those logs that have one that is no epoch's."""


@dataclass(frozen=True)
class Expected:
    """One line of the table."""

    name: str
    epochs: str
    first: str
    last: str
    first_validation: str
    last_validation: str
    best: str
    end: str


EXPECTED = [Expected(*(cell.strip() for cell in line.split("|", 7))) for line in TABLE.splitlines() if line.strip()]
BY_NAME = {expected.name: expected for expected in EXPECTED}


def facts_of(name: str) -> list[Fact]:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the real log {name} is absent")
    return read(path.read_bytes())


def words(row: Sequence[str]) -> str:
    return " ".join(row)


def end_of(facts: Sequence[Fact], rows: Sequence[EpochRow]) -> str:
    told = [fact for fact in facts if isinstance(fact, TrainingCompleted | Crash)]
    if told and isinstance(told[-1], TrainingCompleted):
        early = any(note.kind == "early stop" for note in only(Note, facts))
        return f"{'early ' if early else ''}{told[-1].epochs} epochs {told[-1].hours}"
    if told and isinstance(told[-1], Crash):
        return told[-1].error
    if not rows:
        return "no epochs"
    return "all epochs" if rows[-1].epoch == rows[-1].last_epoch else "cut off"


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.name)
def test_the_table(expected: Expected) -> None:
    facts = facts_of(expected.name)
    rows, evaluated = only(EpochRow, facts), validated(facts)
    count = str(len(rows)) + (f" {rows[0].epoch}-{rows[-1].epoch}" if rows else "")
    assert count == expected.epochs
    assert len({row.epoch for row in rows}) == len(rows)
    assert end_of(facts, rows).startswith(expected.end)
    if not rows:
        assert evaluated == []
        return
    assert words(trained(facts)[0]) == expected.first
    assert words(trained(facts)[-1]) == expected.last
    assert words(evaluated[0]) == expected.first_validation
    assert words(evaluated[-1]) == expected.last_validation
    best = max(evaluated, key=lambda row: float(row[-1]))
    assert words([best[0], best[-1]]) == expected.best
    assert [row[0] for row in evaluated] == [str(row.epoch) for row in rows] or expected.name == "yolov6-train.txt"


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.name)
def test_what_is_evaluated_at_the_end_is_no_epoch(expected: Expected) -> None:
    rows = [row for row in final(facts_of(expected.name)) if row.class_name == "all"]
    if expected.name.startswith(("yolov5", "yolov9", "yolov10", "ultralytics", "foreign")):
        assert [words(list(row.values.values())) for row in rows] == [
            values for name, values in FINAL.items() if name == expected.name
        ]


def test_the_table_names_every_file() -> None:
    if not FOLDER.is_dir():
        pytest.skip("the folder of real logs is absent")
    assert {path.name for path in FOLDER.iterdir()} == {*BY_NAME, "MANIFEST.tsv"}


@pytest.mark.parametrize(
    ("log", "results"),
    [
        ("yolov7-tiny-nohup.out", "yolov7-tiny-nohup.results.txt"),
        ("yolov7-resumed.txt", "yolov7-results-crlf.txt"),
        ("yolov9-colab-100ep.txt", "yolov9-colab-100ep.results.csv"),
        ("ultralytics-all-nan.txt", "ultralytics-all-nan.results.csv"),
    ],
)
def test_a_log_and_the_results_file_of_its_run_agree(log: str, results: str) -> None:
    printed, stored = facts_of(log), facts_of(results)
    for kind in (EpochRow, ValidationRow):
        others = {fact.epoch: fact.values for fact in only(kind, stored)}
        own = [fact for fact in only(kind, printed) if fact.epoch is not None and _is_all(fact)]
        assert len(own) == int(BY_NAME[log].epochs.split()[0])
        for fact in own:
            shared = set(fact.values) & set(others[fact.epoch])
            assert len(shared) >= 3
            assert all(_agree(fact.values[key], others[fact.epoch][key]) for key in shared), (fact.epoch, fact)


def _is_all(fact: EpochRow | ValidationRow) -> bool:
    return isinstance(fact, EpochRow) or fact.class_name == "all"


def _agree(one: str, other: str) -> bool:
    """Whether two texts are of one number: they differ by no more than one unit of the last digit of either."""
    if one == other:
        return True
    units = [10.0 ** _exponent(text) for text in (one, other)]
    return abs(float(one) - float(other)) <= max(units) * 1.001


def _exponent(text: str) -> int:
    """The power of ten of the last digit that was printed."""
    mantissa, _, exponent = text.lower().partition("e")
    return int(exponent or 0) - len(mantissa.partition(".")[2])


def test_nan_stays_nan() -> None:
    facts = facts_of("yolov5-clearml-nan-epoch.txt")
    lost = [row for row in only(EpochRow, facts) if "nan" in row.values.values()]
    assert [(row.epoch, row.values["box_loss"], row.values["obj_loss"], row.values["cls_loss"]) for row in lost] == [
        (11, "nan", "nan", "0")
    ]
    for row in only(EpochRow, facts_of("ultralytics-all-nan.txt")):
        assert [row.values[key] for key in ("box_loss", "cls_loss", "dfl_loss")] == ["nan"] * 3


def test_what_epochs_are_counted_from() -> None:
    first = {name: [fact.first_epoch for fact in only(LogFormat, facts_of(name))] for name in BY_NAME}
    ones = {name for name, told in first.items() if told == [1]}
    assert ones == {
        "yolov7-qat.log",
        "yolov10-colab-50ep.txt",
        "ultralytics-all-nan.txt",
        "ultralytics-all-nan.results.csv",
    }
    for name, told in first.items():
        assert told in ([], [0], [1])
        assert bool(told) == (int(BY_NAME[name].epochs.split()[0]) > 0 and not _is_yolov7(name))


def _is_yolov7(name: str) -> bool:
    return name.startswith("yolov7-") and "results" not in name and name != "yolov7-qat.log"


def test_classes_and_pycocotools_of_other_trainers() -> None:
    classes = {
        name: len([row for row in only(ValidationRow, facts_of(name)) if row.class_name != "all"])
        for name in ("yolov5-v7.txt", "yolov5-early-stop.out", "ultralytics-all-nan.txt", "yolov10-colab-50ep.txt")
    }
    assert list(classes.values()) == [71, 6, 29, 3]
    lines = only(CocoLine, facts_of("yolov6-train.txt"))
    assert len(lines) == 52 * 12
    assert sorted({line.epoch for line in lines}) == [20, 40, *range(50, 100)]


def test_a_killed_training_stands_in_its_first_epoch() -> None:
    path = FOLDER / "ultralytics-killed.log"
    if not path.exists():
        pytest.skip("the real log ultralytics-killed.log is absent")
    parser = LogParser()
    facts = read(path.read_bytes(), parser)
    assert only(TrainingStarted, facts) == only(Crash, facts) == []
    progress = parser.progress
    assert progress is not None
    assert (progress.epoch, progress.last_epoch, progress.done, progress.total) == (1, 100, 609, 6848)
