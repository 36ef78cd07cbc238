"""Files of results beside logs: their numbers cover the log's where both are of one run, and are told as theirs."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from app.importing.import_logs import import_logs
from app.importing.watch import watch_log
from app.indexing.service import reindex, update_index
from app.launching.launch import launch_command
from app.runs.reader import find_run, get_detail, wait_until_indexed
from db.views import Number, ResultsFileView, RunDetail
from engine.contracts.run_folder import Workspace
from tests.app.importing.test_watch import Start, start
from tests.app.indexing.index_fixtures import add_folder, epochs_log, until, wait, workspace
from tests.conftest import REPOSITORY
from tests.engine.logs.printed import row

__all__ = ["start", "workspace"]
PAIRS = REPOSITORY / "tests" / "fixtures" / "pairs"
"""Logs, and the files of results that the same runs left."""


def imported(workspace: Workspace, log: Path) -> RunDetail:
    report, *_ = import_logs(workspace, [log])
    return get_detail(workspace, report.run_id)


def results_row(epoch: int, loss: float = 0.05) -> str:
    """The row of `results.txt` for an epoch of `epochs_log`; mAP with a digit more."""
    return row(epoch, 9, loss) + "%10.4g" * 7 % (0.5, 0.4, 0.3, 0.01 * epoch + loss + 0.0002, 0.07, 0.03, 0.02) + "\n"


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
    assert file == ResultsFileView(str(PAIRS / "yolov7.results.txt"), "results.txt", epochs=3)


@pytest.mark.parametrize(
    ("name", "source", "first", "last", "best"),
    [
        ("yolov7", "results.txt", (0, "0.06512", "0.2102"), (2, "0.04987", "0.4781"), (2, "0.4781")),
        ("yolov5", "results.csv", (0, "0.11432", "0.0071234"), (2, "0.093111", "0.33012"), (1, "0.34123")),
        ("ultralytics", "results.csv", (1, "1.81235", "0.000875"), (3, "nan", "0.33012"), (2, "0.34123")),
    ],
)
def test_every_number_of_the_file_covers_that_of_the_same_epoch(
    workspace: Workspace,
    name: str,
    source: str,
    first: tuple[int, str, str],
    last: tuple[int, str, str],
    best: tuple[int, str],
) -> None:
    """Epochs count from 0 and from 1; what YOLOv5 adds for the best model is no epoch; where the log has more digits
    than the file, as Ultralytics' small numbers have, the log's stay."""
    detail = imported(workspace, PAIRS / f"{name}.txt")
    loss = "box" if name == "yolov7" else "box_loss"
    told = [(e.epoch, e.values[loss].text, e.values["mAP@.5:.95"].text) for e in (detail.epochs[0], detail.epochs[-1])]
    assert told == [first, last]
    assert (detail.run.best_epoch, detail.run.best_map) == (best[0], Number(best[1], float(best[1]), source))
    logged = {(e.epoch, key) for e in detail.epochs for key, number in e.values.items() if number.source == "log"}
    small = {(1, "mAP@.5:.95")} if name == "ultralytics" else set()
    alone = {key for _, key in logged - small}
    assert alone <= {"gpu_mem", "labels", "img_size", "seconds"}
    assert len(detail.epochs) == 3
    assert detail.run.reason.startswith("complete: 3 epochs")


def test_a_file_of_another_run_changes_nothing_and_is_told(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copy(PAIRS / "yolov7.txt", tmp_path / "train.log")
    rows = (PAIRS / "yolov7.results.txt").read_text().splitlines()
    rows[1] = rows[1].replace("0.4776", "0.4799")
    (tmp_path / "results.txt").write_text("\n".join(rows))
    detail = imported(workspace, tmp_path / "train.log")
    assert numbers(detail, "mAP@.5:.95") == [("0.21", "log"), ("0.478", "log"), ("0.478", "log")]
    (file,) = detail.results
    why = "not of this run: in epoch 1, mAP@.5:.95 is 0.478 in the log and 0.4799 there"
    assert (file.epochs, file.problem) == (0, why)
    assert detail.events[-1].kind == "warning"
    assert detail.events[-1].payload == {"text": f"{tmp_path / 'results.txt'}: {why}"}
    (tmp_path / "results.txt").write_text("speed 12 ms\n")
    reindex(workspace)
    assert get_detail(workspace, detail.run.id).results == (), "something else that bears the name"


def test_a_log_and_the_folder_that_it_names(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "yolov5" / "runs" / "train" / "exp"
    folder.mkdir(parents=True)
    shutil.copy(PAIRS / "yolov5.results.csv", folder / "results.csv")
    log = tmp_path / "yolov5" / "logs" / "nohup.out"
    log.parent.mkdir()
    shutil.copy(PAIRS / "yolov5.txt", log)
    detail = imported(workspace, log)
    assert [(file.path, file.epochs) for file in detail.results] == [(str(folder / "results.csv"), 3)]
    shutil.rmtree(tmp_path / "yolov5")
    reindex(workspace)
    kept = get_detail(workspace, detail.run.id)
    assert kept.epochs == detail.epochs, "a copy was kept with the run"
    assert kept.run.best_map == detail.run.best_map


def test_a_resumed_run_that_began_an_epoch_again(workspace: Workspace) -> None:
    """Its trainer goes on in the same file; the first attempt's epoch 5 is not in it any more."""
    told = b"Logging results to runs/train/exp\n"
    folder = add_folder(workspace, told + epochs_log(3, 5), told + epochs_log(5, 7, loss=0.03), name="resumed")
    rows = [results_row(epoch) for epoch in (0, 1, 2, 3, 4, 5)] + [results_row(epoch, loss=0.03) for epoch in (5, 6, 7)]
    (folder.attempt(2).path / "results.txt").write_text("".join(rows))
    update_index(workspace)
    detail = get_detail(workspace, "resumed")
    assert [file.problem for file in detail.results] == [""]
    assert [(e.attempt, e.epoch) for e in detail.epochs] == [*((1, n) for n in range(5)), *((2, n) for n in (5, 6, 7))]
    assert {number.source for e in detail.epochs for key, number in e.values.items() if key == "box"} == {"results.txt"}
    assert [e.values["box"].text for e in detail.epochs][3:6] == ["0.05", "0.05", "0.03"]


def test_rows_that_the_log_has_not_come_to_are_of_an_earlier_run(workspace: Workspace) -> None:
    """YOLOv5 and YOLOv7 append to the file where the folder is used again."""
    folder = add_folder(workspace, epochs_log(0, 1), name="again")
    file = folder.attempt(1).path / "results.txt"
    file.write_text("".join(results_row(epoch) for epoch in range(9)))
    update_index(workspace)
    assert [e.epoch for e in get_detail(workspace, "again").epochs] == [0, 1]


@pytest.mark.parametrize("kind", ["folder", "fifo", "bytes", "forbidden", "letter"])
def test_what_bears_the_name_and_is_none(workspace: Workspace, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "results.csv"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.write_bytes({"bytes": bytes(range(256)) * 99, "letter": b"epoch,\n1,2\n"}.get(kind, b"x"))
    if kind == "forbidden":
        file.chmod(0)
    shutil.copy(PAIRS / "yolov7.txt", tmp_path / "train.log")
    detail = imported(workspace, tmp_path / "train.log")
    assert {number.source for epoch in detail.epochs for number in epoch.values.values()} == {"log"}
    assert [f.problem for f in detail.results] in ([], ["cannot be read: Permission denied"])


TRAINER = r"""
import pathlib, sys, time
folder = pathlib.Path("runs/exp")
folder.mkdir(parents=True, exist_ok=True)
print("Logging results to runs/exp", flush=True)
lines, rows = sys.argv[1].split("\f"), sys.argv[2].split("\f")
for line, row in zip(lines, rows):
    print(line, flush=True)
    for step in ("stored", "go on"):
        while not pathlib.Path(step).exists():
            time.sleep(0.05)
        if step == "stored":
            with (folder / "results.txt").open("a") as file:
                file.write(row)
"""


def test_a_live_run(workspace: Workspace, tmp_path: Path) -> None:
    """The file is read again as it grows, and kept when the run has ended. What stood in it before is another run's."""
    (tmp_path / "runs" / "exp").mkdir(parents=True)
    (tmp_path / "runs" / "exp" / "results.txt").write_text("".join(results_row(epoch, loss=0.07) for epoch in range(9)))
    lines = [epochs_log(0, 0).decode(), epochs_log(1, 1).decode().partition("epochs...\n")[2]]
    rows = [results_row(0), results_row(1)]
    argv = [sys.executable, "-c", TRAINER, "\f".join(lines), "\f".join(rows)]
    run_id = launch_command(workspace, argv, name="live", cwd=tmp_path).id

    def told() -> list[tuple[str, str]]:
        update_index(workspace)
        return numbers(get_detail(workspace, run_id), "mAP@.5:.95")

    until(lambda: told() == [("0.05", "log")])
    assert get_detail(workspace, run_id).results == ()
    (tmp_path / "stored").touch()
    until(lambda: told() == [("0.0502", "results.txt")])
    assert find_run(workspace, run_id).state.is_live
    (tmp_path / "go on").touch()
    wait(workspace, run_id)
    wait_until_indexed(workspace, run_id)
    assert told() == [("0.0502", "results.txt"), ("0.0602", "results.txt")]
    (tmp_path / "runs" / "exp" / "results.txt").unlink()
    reindex(workspace)
    assert told() == [("0.0502", "results.txt"), ("0.0602", "results.txt")]


def test_a_watched_log(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path, file = tmp_path / "train.log", tmp_path / "results.txt"
    writer = start(path)
    writer.print(epochs_log(0, 0))
    until(lambda: path.exists() and path.stat().st_size == len(epochs_log(0, 0)))
    file.write_text(results_row(0))
    run_id = watch_log(workspace, path).run_id
    assert numbers(get_detail(workspace, run_id), "mAP@.5:.95") == [("0.0502", "results.txt")]
    writer.print(epochs_log(1, 1).partition(b"epochs...\n")[2])
    expected = [("0.0502", "results.txt"), ("0.06", "log")]
    until(lambda: numbers(get_detail(workspace, run_id), "mAP@.5:.95") == expected)
    with file.open("a") as more:
        more.write(results_row(1))
    expected[1] = ("0.0602", "results.txt")
    until(lambda: numbers(get_detail(workspace, run_id), "mAP@.5:.95") == expected)
    assert find_run(workspace, run_id).state.is_live
    writer.end()
    wait_until_indexed(workspace, run_id)
    assert numbers(get_detail(workspace, run_id), "mAP@.5:.95") == expected
