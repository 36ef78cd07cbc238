"""Logs of real runs with the files of results that the same runs left, and with those of others."""

import csv
import shutil
from pathlib import Path

import pytest

from app.importing.import_logs import import_logs
from app.runs.reader import get_detail
from db.views import RunDetail
from engine.contracts.run_folder import Workspace
from tests.app.indexing.index_fixtures import workspace

__all__ = ["workspace"]
PAIRS = {
    "yolov7-tiny-nohup.out": ("yolov7-tiny-nohup.results.txt", 0),
    "yolov7-resumed.txt": ("yolov7-results-crlf.txt", 0),
    "yolov9-colab-100ep.txt": ("yolov9-colab-100ep.results.csv", 0),
    "ultralytics-all-nan.txt": ("ultralytics-all-nan.results.csv", 1),
}
"""Log → the file of its run, and the first epoch of both."""
OTHERS = {
    "yolov7-tiny-nohup.out": "yolov7-results-crlf.txt",
    "yolov7-notebook-300ep.txt": "yolov7-tiny-nohup.results.txt",
    "yolov7-resumed.txt": "yolov7-results-100ep.txt",
    "yolov5-nohup.out": "yolov5-relu-results.csv",
    "yolov9-colab-100ep.txt": "yolov5-relu-results.csv",
    "yolov10-colab-50ep.txt": "ultralytics-all-nan.results.csv",
}


def imported(workspace: Workspace, folder: Path, log: Path, results: Path) -> RunDetail:
    """The log, with the file beside it under the name that trainers give it."""
    shutil.copy(log, folder / "train.log")
    shutil.copy(results, folder / f"results{results.suffix}")
    report, *_ = import_logs(workspace, [folder / "train.log"])
    return get_detail(workspace, report.run_id)


def column(path: Path, place: int, title: str) -> list[str]:
    """mAP@.5:.95 of all rows, read without any parser of ours: by place in results.txt, by title in results.csv."""
    text = path.read_text()
    if path.suffix == ".txt":
        return [line.split()[place] for line in text.splitlines()]
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    at = next(i for i, name in enumerate(rows[0]) if name.startswith(title))
    return [row[at] for row in rows[1:]]


@pytest.mark.parametrize("log", PAIRS)
def test_all_epochs_have_the_digits_of_the_file(workspace: Workspace, tmp_path: Path, shared: Path, log: str) -> None:
    name, first = PAIRS[log]
    results = shared / "logs" / name
    detail = imported(workspace, tmp_path, shared / "logs" / log, results)
    source = f"results{results.suffix}"
    assert [(file.source, file.problem) for file in detail.results] == [(source, "")]
    title = "metrics/mAP50-95" if first else "metrics/mAP_0.5:0.95"
    stored = column(results, 11, title)
    assert [epoch.epoch for epoch in detail.epochs] == list(range(first, first + len(stored)))
    shown = [epoch.values["mAP@.5:.95"] for epoch in detail.epochs]
    finer = [(number, text) for number, text in zip(shown, stored, strict=True) if number.text != text]
    assert all(number.source == "log" and len(number.text) > len(text) for number, text in finer)
    assert len(finer) == (32 if log == "ultralytics-all-nan.txt" else 0)
    best = max(float(text) for text in stored)
    assert detail.run.best_map is not None
    assert (detail.run.best_map.value, detail.run.best_map.source) == (best, source)


@pytest.mark.parametrize("log", OTHERS)
def test_the_file_of_another_run_is_left_aside(workspace: Workspace, tmp_path: Path, shared: Path, log: str) -> None:
    detail = imported(workspace, tmp_path, shared / "logs" / log, shared / "logs" / OTHERS[log])
    sources = {number.source for epoch in detail.epochs for number in epoch.values.values()}
    assert sources == {"log"}
    told = [file.problem for file in detail.results]
    assert all(problem.startswith("not of this run: in epoch ") for problem in told)
    assert len(told) == (0 if log == "yolov7-resumed.txt" else 1), "without a common epoch nothing can be said"
