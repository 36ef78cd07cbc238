"""Logs and results files of other trainers, imported: numbers as printed, epochs counted from what the trainer says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.comparing.comparison import compare
from app.importing.import_logs import import_logs
from app.runs.log_format import log_dialect, sensitive_layers
from app.runs.reader import find_run, get_detail, list_runs
from app.widgets.base.styled_text import Cell
from app.widgets.charts.curves import loss_chart
from app.widgets.run.run_text import epoch_count, fraction, loss_line
from db.views import Number
from engine.contracts.errors import YoloqatError
from engine.contracts.facts import Progress
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from tests.app.indexing.index_fixtures import workspace
from tests.engine.logs.event_files import written, yolov7
from tests.engine.logs.printed import bar
from tests.engine.logs.reading import FIXTURES
from tests.engine.logs.test_foreign import OTHERS

__all__ = ["workspace"]
TITLES = "Epoch GPU_mem box_loss cls_loss dfl_loss Instances Size"


@pytest.mark.parametrize(
    ("name", "done", "total", "best", "reason"),
    [
        ("yolov5_giou.txt", 3, 3, (2, "0.117"), "complete: 3 epochs in 0.004 hours"),
        ("yolov5.txt", 5, 50, (1, "0.213"), "stopped early: 5 epochs in 0.005 hours"),
        ("yolov5_seg.txt", 2, 2, (1, "0.498"), "complete: 2 epochs in 0.006 hours"),
        ("yolov6.txt", 4, 4, (3, "1.2940117e-02"), "complete: 4 epochs in 0.012 hours"),
        ("yolov9.txt", 3, 3, (2, "0.0151"), "complete: 3 epochs in 0.011 hours"),
        ("ultralytics.txt", 4, 40, (2, "0.341"), "stopped early: 4 epochs in 0.019 hours"),
        ("ultralytics_tqdm.txt", 3, 3, (3, "0.503"), "complete: 3 epochs in 0.004 hours"),
        ("nvidia_qat.txt", 3, 3, (2, "0.467"), "complete"),
        ("results.txt", 4, 5, (2, "0.2222"), "cut off after epoch 3/4"),
        ("results_yolov5.csv", 3, 3, (1, "0.21311"), "3 epochs; planned number unknown"),
        ("results_ultralytics.csv", 3, 3, (2, "0.341"), "3 epochs; planned number unknown"),
    ],
)
def test_in_the_list_of_runs(
    workspace: Workspace, name: str, done: int, total: int, best: tuple[int, str], reason: str
) -> None:
    (report,) = import_logs(workspace, [FIXTURES / name])
    (run,) = list_runs(workspace)
    assert report.epochs == run.epochs_done == done
    assert run.epochs_total == total
    source = f"results{Path(name).suffix}" if name.startswith("results") else "log"
    assert (run.best_epoch, run.best_map) == (best[0], Number(best[1], float(best[1]), source))
    assert (run.state, run.reason) == (RunState.ENDED, reason)


def test_losses_keep_the_names_of_their_columns(workspace: Workspace) -> None:
    import_logs(workspace, [FIXTURES / "yolov5_seg.txt", FIXTURES / "results_ultralytics.csv"])
    first, second = get_detail(workspace, "yolov5_seg").epochs
    assert first.values["seg_loss"] == Number("0.07211", 0.07211)
    assert second.values["cls_loss"] == Number("inf", None)
    assert second.values["mAP@.5:.95(M)"].text == "0.0117"
    last = get_detail(workspace, "results_ultralytics").epochs[-1]
    assert (last.epoch, last.last_epoch) == (3, 3)
    assert last.values["val/box_loss"] == Number("nan", None, "results.csv")
    assert last.values["lr/0"].text == "0.00163"


def test_the_final_evaluation_speaks_for_the_run(workspace: Workspace) -> None:
    import_logs(workspace, [FIXTURES / "ultralytics.txt", FIXTURES / "results_yolov5.csv"])
    (found,) = get_detail(workspace, "ultralytics").evaluations
    assert (found.weights, found.epoch, found.images, found.labels) == (
        "runs/detect/train3/weights/best.pt",
        None,
        8,
        21,
    )
    assert found.values["mAP@.5:.95"].text == "0.343"
    assert found.per_class["blood orange"]["mAP@.5"].text == "0.52"
    (added,) = get_detail(workspace, "results_yolov5").evaluations
    assert (added.images, added.labels, added.values["mAP@.5"].text) == (None, None, "0.46811")


def test_a_training_that_counts_from_1_and_was_cut_off(workspace: Workspace, tmp_path: Path) -> None:
    rows = [f"{epoch}/9 2G 1.5 2.5 0.5 12 640: {bar(3, 3)}" for epoch in (1, 2, 3)]
    path = tmp_path / "train.log"
    path.write_text("\n".join(["Starting training for 9 epochs...", TITLES, *rows, ""]))
    import_logs(workspace, [path])
    run = find_run(workspace, "train")
    assert (run.epochs_done, run.epochs_total, run.reason) == (3, 9, "cut off after epoch 3/9")


@pytest.mark.parametrize(("epoch", "last"), [(1, 8), (2, 9)], ids=["from 0", "from 1"])
def test_the_epoch_at_work_is_the_second_whatever_is_counted_from(workspace: Workspace, epoch: int, last: int) -> None:
    import_logs(workspace, [FIXTURES / "yolov9.txt"])
    (run,) = list_runs(workspace)
    bar_of_two = Progress("train", 1, 2, epoch, last, 1.0, 1.0, "1it/s", {})
    run = replace(run, state=RunState.RUNNING, epochs_done=1, epochs_total=9, progress=bar_of_two)
    assert epoch_count(run) == "2/9"
    assert fraction(run) == pytest.approx(1.5 / 9)


def test_losses_of_any_name_are_shown(workspace: Workspace) -> None:
    import_logs(workspace, [FIXTURES / "yolov5_seg.txt", FIXTURES / "yolov5_giou.txt", FIXTURES / "results_yolov5.csv"])
    shown = {}
    for run in list_runs(workspace):
        detail = get_detail(workspace, run.id)
        shown[run.name] = [curve.name for curve in loss_chart(detail).series]
        assert all(name in plain(loss_line(run, detail)) for name in shown[run.name])
    assert shown == {
        "yolov5_seg": ["box_loss", "cls_loss", "obj_loss", "seg_loss"],
        "yolov5_giou": ["total", "obj", "cls", "GIoU"],
        "results_yolov5": ["box_loss", "cls_loss", "obj_loss"],
    }


def plain(cell: Cell) -> str:
    return cell if isinstance(cell, str) else "".join(text for text, *_ in cell)


def test_what_trtexec_measured_stands_beside_other_runs(workspace: Workspace) -> None:
    import_logs(workspace, [FIXTURES / "trtexec_8.txt", FIXTURES / "trtexec_11.txt", FIXTURES / "yolov5.txt"])
    details = [get_detail(workspace, name) for name in ("trtexec_8", "trtexec_11", "yolov5")]
    rows = {row.key: [cell.text for cell in row.cells] for row in compare(details).facts}
    by_name = [run.name for run in compare(details).runs]
    assert dict(zip(by_name, rows["latency"], strict=True)) == {
        "trtexec_8": "15.62 ms (GPU 14.95), batch 4, FP32+FP16+INT8, Orin",
        "trtexec_11": "0.74 ms (GPU 0.58), NVIDIA H100 80GB HBM3",
        "yolov5": "–",
    }
    assert dict(zip(by_name, rows["throughput"], strict=True))["trtexec_8"] == "66.0 qps"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("trtexec_8.txt", "complete"),
        ("trtexec_failed.txt", "crashed: trtexec: ModelImporter.cpp:773: While parsing node number 114"),
    ],
)
def test_how_trtexec_ended(workspace: Workspace, name: str, reason: str) -> None:
    import_logs(workspace, [FIXTURES / name])
    (run,) = list_runs(workspace)
    assert run.reason.startswith(reason)


@pytest.mark.parametrize("timings", ["3", '{"latency": 3}', '{"latency": {"median": "fast"}}', "[]", "null"])
def test_an_odd_benchmark_in_a_log_is_not_shown(workspace: Workspace, tmp_path: Path, timings: str) -> None:
    path = tmp_path / "odd.log"
    path.write_text(f'::yoloqat {{"event": "benchmark", "program": "trtexec", "timings": {timings}}}\n')
    import_logs(workspace, [path, FIXTURES / "yolov5.txt"])
    details = [get_detail(workspace, run.id) for run in list_runs(workspace)]
    assert "latency" not in {row.key for row in compare(details).facts}


def test_files_that_are_known_by_their_first_bytes(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(written(yolov7(epochs=5)))
    (tmp_path / "summary").write_text(json.dumps([["PTQ", 0.51], ["QAT0", 0.5112]], indent=4))
    (tmp_path / "sensitive").write_text(json.dumps([[0.5, "PTQ"], [0.5097, "model.0"], [0.51, "model.2"]], indent=4))
    import_logs(workspace, [tmp_path / name for name in ("events", "summary", "sensitive")])
    runs = {run.name: run for run in list_runs(workspace)}
    assert (runs["events"].epochs_done, runs["events"].best_epoch) == (5, 4)
    assert runs["events"].reason == "5 epochs; planned number unknown"
    evaluations = get_detail(workspace, "summary").evaluations
    assert [(one.label, one.values["AP"].text) for one in evaluations] == [("PTQ", "0.51"), ("QAT0", "0.5112")]
    assert sensitive_layers(get_detail(workspace, "sensitive")) == [
        ("model.2", "0.51"),
        ("model.0", "0.5097"),
        ("PTQ", "0.5"),
    ]


@pytest.mark.parametrize("value", ["3", '["a", "b"]', '[["a"]]', '[["a", "nan"]]', '[["a", "x"]]', "[[1, 2]]", "null"])
def test_odd_layers_in_a_log_are_not_shown(workspace: Workspace, tmp_path: Path, value: str) -> None:
    path = tmp_path / "odd.log"
    path.write_text(f'::yoloqat {{"event": "layer sensitivity", "without": {value}}}\n')
    import_logs(workspace, [path])
    assert sensitive_layers(get_detail(workspace, "odd")) == []


@pytest.mark.parametrize(
    ("name", "dialect"),
    [("yolov5.txt", "yolov5"), ("trtexec_8.txt", "trtexec (unverified)"), ("results_act_relu.txt", "yolov7")],
)
def test_whose_log_it_is(workspace: Workspace, name: str, dialect: str) -> None:
    (report,) = import_logs(workspace, [FIXTURES / name])
    assert report.dialect == dialect
    (run,) = list_runs(workspace)
    assert log_dialect(get_detail(workspace, run.id)) == dialect


@pytest.mark.parametrize("name", ["YOLOX", "OpenMMLab JSON", "Keras"])
def test_a_log_that_is_not_read_is_refused_by_its_name(workspace: Workspace, tmp_path: Path, name: str) -> None:
    path = tmp_path / "train.log"
    path.write_text(OTHERS[name])
    with pytest.raises(YoloqatError, match=f"a log of {name.split()[0]}, which yoloqat does not read"):
        import_logs(workspace, [path])
    assert list_runs(workspace) == []
