"""How a training ended, where nothing but its log can tell it: in `show`, `ls` and on the screen."""

from pathlib import Path

import pytest

from app.cli.list_runs import _row
from app.importing.import_logs import import_logs, import_paths
from app.runs.reader import find_run, list_runs
from engine.contracts.run_folder import Workspace
from tests.app.indexing.index_fixtures import workspace
from tests.engine.logs.printed import HEADER, OUT_OF_MEMORY, TRACEBACK, VALIDATION, bar, log, metrics, row
from tests.engine.logs.test_real_logs import FOLDER

__all__ = ["workspace"]
SUMMARY = "Model Summary: 415 layers, 37201950 parameters, 37201950 gradients, 105.1 GFLOPS"
COMPLETED = "3 epochs completed in 0.123 hours."


def epochs(*losses: float) -> list[str]:
    """A training's lines, an epoch for each loss."""
    return [
        line
        for epoch, loss in enumerate(losses)
        for line in (
            HEADER,
            f"{row(epoch, 2, loss).replace('0.02', f'{loss:.4g}').replace('0.01', f'{loss:.4g}')}: {bar(3, 3)}",
            f"{VALIDATION}: {bar(2, 2)}",
            metrics("all", 0.5, 0.4, 0.3, 0.2),
        )
    ]


NAN = float("nan")
ENDS = {
    "all nan": (log(*epochs(NAN, NAN, NAN), COMPLETED), "complete: 3 epochs in 0.123 hours, all losses nan"),
    "diverged": (log(*epochs(0.1, NAN, NAN), COMPLETED), "complete: 3 epochs in 0.123 hours, losses nan since epoch 1"),
    "nan in between": (log(*epochs(0.1, NAN, 0.1), COMPLETED), "complete: 3 epochs in 0.123 hours"),
    "in its first epoch": (log(SUMMARY, HEADER, f"{row(0)}: {bar(1, 3)}"), "cut off in epoch 0/2, 1 of 3"),
    "in a scan": (log(SUMMARY, "Scanning 'a.cache' images and labels: " + bar(4, 9)), "cut off in scan, 4 of 9"),
    "before anything": (log(SUMMARY), "no epochs"),
    "an evaluation": (log(f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.5, 0.4, 0.3, 0.2)), "complete"),
    "started again": (
        log(*[SUMMARY, TRACEBACK, OUT_OF_MEMORY] * 2, SUMMARY, f"Training: {bar(1, 9)}"),
        f"cut off in Training, 1 of 9; 2 times before: out of memory: {OUT_OF_MEMORY}",
    ),
    "an evaluation, at the second try": (
        log(
            SUMMARY,
            TRACEBACK,
            "ValueError: no",
            SUMMARY,
            f"{VALIDATION}: {bar(2, 2)}",
            metrics("all", 0.5, 0.4, 0.3, 0.2),
        ),
        "complete; before: crashed: ValueError: no",
    ),
    "evaluated after its end": (log(*epochs(0.1), COMPLETED, SUMMARY), "complete: 3 epochs in 0.123 hours"),
}
IN_THE_LIST = [
    "losses nan",
    "losses nan",
    "complete",
    "cut off",
    "cut off",
    "ended",
    "complete",
    "cut off",
    "complete",
    "complete",
]


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ended(workspace: Workspace, tmp_path: Path, end: str) -> None:
    data, reason = ENDS[end]
    path = tmp_path / "train.log"
    path.write_bytes(data)
    import_logs(workspace, [path])
    assert find_run(workspace, "train").reason == reason
    assert _row(find_run(workspace, "train"))[2] == IN_THE_LIST[list(ENDS).index(end)]


REAL = """
ultralytics-all-nan | 100 | 94 .00729 | complete: 100 epochs in 0.286 hours, all losses nan
ultralytics-killed | | | cut off in epoch 1/100, 609 of 6848
ultralytics-oom | | | cut off in Training, 0 of 388; 3 times before: out of memory: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 128.00 MiB.
yolov10-colab-50ep | 50 | 45 .804 | complete: 50 epochs in 0.270 hours
yolov5-clearml-export | 350 | 345 .726 | complete: 350 epochs in 12.051 hours
yolov5-clearml-nan-epoch | 400 | 397 .584 | complete: 400 epochs in 8.172 hours
yolov5-early-stop | 175 | 74 .126 | stopped early: 175 epochs in 0.693 hours
yolov5-nohup | 300 | 299 .473 | complete: 300 epochs in 1.865 hours
yolov5-relu-results | 50 | 29 .43178 | 50 epochs; planned number unknown
yolov5-v1-giou | 5 | 0 0 | complete: 5 epochs in 0.007 hours
yolov5-v7 | 3 | 2 .487 | complete: 3 epochs in 0.005 hours
yolov5-v7-val-pycocotools | | .371 | complete
yolov6-train | 100 | 67 .003096991523250025 | complete: 100 epochs in 0.230 hours
yolov7-colab-cut | 37 | 32 .0284 | cut off after epoch 36/399
yolov7-colab-head-truncated | 1500 | 625 .52 | complete: 1500 epochs in 0.957 hours
yolov7-killed-in-scan | | | cut off in scan, 4065 of 118287
yolov7-notebook-300ep | 300 | 291 .449 | complete: 300 epochs in 3.355 hours
yolov7-qat | 10 | 7 .487 | complete
yolov7-results-100ep | 100 | 99 .3126 | complete
yolov7-results-crlf | 300 | 264 .5465 | complete
yolov7-results-unfinished | 252 | 250 .9589 | cut off after epoch 251/499
yolov7-resumed | 300 | 264 .547 | complete: 75 epochs in 0.808 hours
yolov7-tiny-nohup | 300 | 276 .7918 | complete: 300 epochs in 0.944 hours
yolov7-windows-crash | | | crashed: BrokenPipeError: [Errno 32] Broken pipe
yolov9-colab-100ep | 100 | 99 .58494 | complete: 100 epochs in 1.150 hours
"""  # noqa: E501
"""Run | epochs done | epoch and value of the best mAP@.5:.95 | end: by looking at each file."""


def test_every_real_log_imported_with_the_folder_that_it_lies_in(workspace: Workspace) -> None:
    if not FOLDER.is_dir():
        pytest.skip("the folder of real logs is absent")
    summary = import_paths(workspace, [FOLDER])
    assert [file.path.name for file in summary.files if file.status == "not read"] == ["foreign-yolox.log"]
    expected = {
        name: (done, best, end)
        for name, done, best, end in ([cell.strip() for cell in line.split("|")] for line in REAL.split("\n") if line)
    }
    runs = {run.name: run for run in list_runs(workspace)}
    assert runs.keys() == expected.keys()
    for name, (done, best, end) in expected.items():
        run = runs[name]
        value = None if run.best_map is None else f"{run.best_epoch or 0} {run.best_map.value:.18g}"
        wanted = None if not best else f"{best.split()[0] if ' ' in best else 0} {float(best.split()[-1]):.18g}"
        assert (name, value) == (name, wanted)
        assert (name, str(run.epochs_done if run.epochs_done is not None else "")) == (name, done)
        assert run.reason == end or (len(end) > 100 and run.reason.startswith(end)), name
    assert import_paths(workspace, [FOLDER]).count("known") == len(runs)
