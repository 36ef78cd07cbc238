"""Files of results beside logs: their numbers cover the log's where both are of one run, and are told as theirs."""

import shutil
from pathlib import Path

from app.services.importing import import_logs
from app.services.runs import get_detail
from db.views import Number, ResultsFileView, RunDetail
from engine.contracts.run_folder import Workspace
from tests.app.services.index_fixtures import workspace
from tests.conftest import REPOSITORY

__all__ = ["workspace"]
PAIRS = REPOSITORY / "tests" / "fixtures" / "pairs"
"""Logs, and the files of results that the same runs left."""


def imported(workspace: Workspace, log: Path) -> RunDetail:
    (report,) = import_logs(workspace, [log])
    return get_detail(workspace, report.run_id)


def numbers(detail: RunDetail, key: str) -> list[tuple[str, str]]:
    """Text and source by epoch."""
    return [(epoch.values[key].text, epoch.values[key].source) for epoch in detail.epochs]


def test_the_file_tells_which_of_two_epochs_is_the_best_that_the_log_prints_alike(
    workspace: Workspace, tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / "yolov7.txt"
    alone.parent.mkdir()
    shutil.copy(PAIRS / "yolov7.txt", alone)
    log = imported(workspace, alone)
    assert numbers(log, "mAP@.5:.95") == [("0.21", "log"), ("0.478", "log"), ("0.478", "log")]
    assert (log.run.best_map, log.run.best_epoch, log.results) == (Number("0.478", 0.478), 1, ())
    workspace.run(log.run.id).spec.unlink()  # of the same content, so it would be taken for the other one
    both = imported(workspace, PAIRS / "yolov7.txt")
    assert numbers(both, "mAP@.5:.95") == [(text, "results.txt") for text in ("0.2102", "0.4776", "0.4781")]
    assert (both.run.best_map, both.run.best_epoch) == (Number("0.4781", 0.4781, "results.txt"), 2)
    assert numbers(both, "val/obj")[0] == ("0.02812", "results.txt")
    (file,) = both.results
    assert (Path(file.path).name, file.source, file.epochs, file.problem) == (
        "yolov7.results.txt",
        "results.txt",
        3,
        "",
    )
