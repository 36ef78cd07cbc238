"""Side by side: the best is marked, differences are told in points, and only where they mean something."""

from dataclasses import replace

import pytest

from app.comparing.comparison import Comparison, Row, compare
from engine.contracts.errors import YoloqatError
from tests.app.comparing.chain_fixtures import SETTINGS, demo_chain, epoch, evaluation, run


def row(comparison: Comparison, section: str, key: str) -> Row:
    rows = (*comparison.metrics, *comparison.facts, *comparison.options)
    return next(row for row in rows if (row.section, row.key) == (section, key))


def test_metrics_of_a_chain_against_the_float_model() -> None:
    comparison = compare(demo_chain()[1:], baseline="f")
    cells = row(comparison, "final evaluation", "mAP@.5:.95").cells
    assert [cell.text for cell in cells] == ["0.5000", "0.4900", "0.4975", "0.4980"]
    assert [cell.delta_text for cell in cells] == ["", "−1.00", "−0.25", "−0.20"]
    assert [cell.is_best for cell in cells] == [True, False, False, False]
    assert cells[2].delta == pytest.approx(-0.25)
    assert comparison.settings == "200 images of val, 128 px square, conf .001, IoU .65"


def test_numbers_that_were_measured_otherwise_are_shown_but_not_compared() -> None:
    one = run("1", "retrain", evaluations=[evaluation("best", 0.4)])
    two = run(
        "2", "retrain", evaluations=[evaluation("best", 0.9, settings={**SETTINGS, "image_size": 640, "data": "x"})]
    )
    cells = row(compare([one, two]), "final evaluation", "mAP@.5:.95").cells
    assert (cells[1].text, cells[1].delta, cells[1].delta_text) == ("0.900", None, "≠eval")
    assert cells[1].reason == "other images or labels, image size 640 ≠ 128"
    assert not any(cell.is_best for cell in cells)


@pytest.mark.parametrize(("images", "delta"), [(5000, "+1.0"), (4952, "≠eval")])
def test_two_logs_without_settings_are_compared_on_as_many_images(images: int, delta: str) -> None:
    one = run("1", "command", evaluations=[evaluation("", "0.478", settings=None, images=5000)])
    two = run("2", "command", evaluations=[evaluation("", "0.488", settings=None, images=images)])
    assert row(compare([one, two]), "final evaluation", "mAP@.5:.95").cells[1].delta_text == delta


def test_a_log_and_a_result_are_not_compared() -> None:
    one = run("1", "command", evaluations=[evaluation("", "0.478", settings=None)])
    two = run("2", "retrain", evaluations=[evaluation("best", 0.488)])
    cell = row(compare([one, two]), "final evaluation", "mAP@.5:.95").cells[1]
    assert (cell.comparable, cell.reason) == (False, "the evaluation settings of one are unknown")


def test_nan_is_shown_and_never_the_best() -> None:
    runs = [run(str(i), "retrain", evaluations=[evaluation("", value)]) for i, value in enumerate(("nan", 0.25, 0.125))]
    cells = row(compare(runs), "final evaluation", "mAP@.5:.95").cells
    assert [(cell.text, cell.delta, cell.is_best) for cell in cells] == [
        ("nan", None, False),
        ("0.250", None, True),
        ("0.125", None, False),
    ]


@pytest.mark.parametrize(
    ("values", "best"), [((0.5, 0.5, 0.4), [True, True, False]), ((0.5, 0.5), [False, False]), ((0.5,), [False])]
)
def test_the_best_is_marked_where_there_is_one(values: tuple[float, ...], best: list[bool]) -> None:
    runs = [run(str(i), "retrain", evaluations=[evaluation("", value)]) for i, value in enumerate(values)]
    assert [cell.is_best for cell in row(compare(runs), "final evaluation", "mAP@.5:.95").cells] == best


def test_epochs_of_other_data_are_not_compared_even_before_the_final_evaluation() -> None:
    one = run("1", "retrain", epochs=[epoch(0, "0.1")], options={"data": "a.yaml"}, evaluations=[evaluation("", 0.2)])
    two = run("2", "retrain", epochs=[epoch(0, "0.2")], options={"data": "b.yaml"})
    three = run("3", "retrain", epochs=[epoch(0, "0.3")], options={"data": "a.yaml"})
    cells = row(compare([one, two, three]), "best epoch", "mAP@.5:.95").cells
    assert [cell.delta_text for cell in cells] == ["", "≠eval", "+20.0"]
    assert cells[1].reason == "data b.yaml ≠ a.yaml"


def test_the_best_epoch_is_the_one_with_the_best_map() -> None:
    one = run("1", "retrain", epochs=[epoch(0, "0.1"), epoch(1, "0.3"), epoch(2, "nan"), epoch(3, "0.3")])
    two = run("2", "retrain", epochs=[epoch(0, "0.35")])
    three = run("3", "export")
    comparison = compare([one, two, three])
    assert [cell.text for cell in row(comparison, "best epoch", "epoch").cells] == ["1/9", "0/9", "–"]
    cells = row(comparison, "best epoch", "mAP@.5:.95").cells
    assert [(cell.text, cell.delta_text) for cell in cells] == [("0.300", ""), ("0.350", "+5.0"), ("–", "")]


def test_options_stand_side_by_side_and_tell_where_they_differ() -> None:
    one = run("1", "retrain", options={"epochs": 30, "img_size": [640, 640], "adam": False, "hyp": {"lr0": 0.01}})
    two = run(
        "2", "ptq", options={"epochs": 30, "weights": "/ws/runs/1/weights/best.pt", "adam": True, "hyp": {"lr0": 0.1}}
    )
    comparison = compare([one, two])
    shown = {row.key: ([cell.text for cell in row.cells], row.differs) for row in comparison.options}
    assert shown == {
        "epochs": (["30", "30"], False),
        "img_size": (["640 640", "–"], True),
        "adam": (["no", "yes"], True),
        "hyp.lr0": (["0.01", "0.1"], True),
        "weights": (["–", "name-1:weights/best.pt"], True),
    }


def test_a_baseline_that_is_not_there_is_said_so() -> None:
    with pytest.raises(YoloqatError, match="baseline x is not among"):
        compare(demo_chain(), baseline="x")
    with pytest.raises(YoloqatError, match="nothing to compare"):
        compare([])


def test_a_run_that_measured_nothing_is_no_baseline() -> None:
    runs = [run("1", "shapes"), run("2", "retrain", evaluations=[evaluation("", 0.5)])]
    made = compare(runs)
    assert [view.id for view in made.runs] == ["2", "1"]
    assert made.baseline == "2"


def test_latency_is_told_with_the_speed_against_float() -> None:
    files = {"float": {"median": 71.2}, "ONNX Q/DQ": {"median": 95.0}, "ONNX INT8": {"median": 29.3}}
    fast = replace(run("2", "int8", evaluations=[evaluation("ONNX INT8", 0.5)]), details={"latency": {"files": files}})
    cells = row(compare([run("1", "retrain", evaluations=[evaluation("", 0.5)]), fast]), "run", "latency").cells
    assert [cell.text for cell in cells] == ["–", "29.30 ms, 2.43× float"]


def test_a_benchmark_among_the_runs_tells_the_latency_of_the_file_that_another_made() -> None:
    model = {"label": "PTQ", "sha256": "c" * 64, "timings": [{"batch": 1, "median": 12.0, "speed": 0.8}]}
    timed = replace(run("9", "benchmark"), details={"benchmark": {"models": [model]}})
    cells = row(compare([*demo_chain(), timed]), "run", "latency").cells
    assert sorted(cell.text for cell in cells) == ["12.00 ms, 0.80× float", "–", "–", "–", "–", "–"]
