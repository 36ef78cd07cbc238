"""Workspaces with runs in them, for the tests of the index."""

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.indexing.lock import lock_file
from app.indexing.service import update_index
from app.launching.launch import launch_command
from app.launching.stop import run_status, stop_run
from engine.contracts.errors import YoloqatError
from engine.contracts.result import Artifact, EvaluationResult, EvaluationSettings, StageResult
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.launch.ids import new_run_id
from tests.conftest import REPOSITORY
from tests.db.rows import Dump, dump
from tests.engine.logs.printed import HEADER, VALIDATION, bar, event, log, metrics, row
from tests.waiting import wait_until

SEED = REPOSITORY / "tests" / "fixtures" / "logs" / "results_act_relu.txt"
TRAINER = REPOSITORY / "tests" / "app" / "cli" / "trainer.py"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace whose processes are gone after the test."""
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    yield made
    for folder in made.run_folders():
        if run_status(made, folder.id).state.is_live:
            with contextlib.suppress(YoloqatError):  # a process that was not started here ends in its own time
                stop_run(made, folder.id, now=True)
            until(lambda found=folder: not run_status(made, found.id).state.is_live)  # type: ignore[misc]
    with contextlib.suppress(OSError, ValueError, YoloqatError):  # a test may have deleted the workspace
        if indexer_is_at_work(made):
            os.kill(int(made.indexer_lock.read_text()), signal.SIGKILL)


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds."""
    wait_until(true, seconds)


def indexer_is_at_work(workspace: Workspace) -> bool:
    with lock_file(workspace) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def train(workspace: Workspace, epochs: int, pause: float, name: str = "train") -> str:
    """A real run of a trainer that prints what YOLOv7 prints."""
    argv = [sys.executable, str(TRAINER), str(epochs), str(pause)]
    return launch_command(workspace, argv, name=name, cwd=workspace.path).id


def wait(workspace: Workspace, run_id: str) -> None:
    """Until a run has ended."""
    until(lambda: not run_status(workspace, run_id).state.is_live)


def rows_of(workspace: Workspace) -> Dump:
    """All rows of a workspace, brought up to date."""
    update_index(workspace)
    return dump(workspace.database)


def epochs_log(first: int, last: int, loss: float = 0.05) -> bytes:
    """The log of the epochs from `first` to `last` of ten."""
    begin = log("YOLOR v0.1 torch 1.12.1 CUDA:0 (Tesla T4, 14910MB)", "Starting training for 10 epochs...")
    return begin + b"".join(
        log(
            *("", HEADER, f"{row(epoch, 9, loss)}: {bar(3, 3)}"),
            *(f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.5, 0.4, 0.3, round(0.01 * epoch + loss, 3))),
        )
        for epoch in range(first, last + 1)
    )


def add_folder(workspace: Workspace, *logs: bytes, name: str = "run") -> RunFolder:
    """The folder of a run that has ended, with a log for each attempt."""
    folder = workspace.run(new_run_id())
    for number, text in enumerate(logs, start=1):
        attempt = folder.attempt(number)
        attempt.path.mkdir(parents=True)
        attempt.console.write_bytes(text)
    spec = RunSpec(id=folder.id, name=name, stage=COMMAND, source="imported", parents=["p2", "p1"])
    spec.write(folder.spec)
    return folder


def add_result(folder: RunFolder) -> None:
    """`result.json` and `user.json`, as a stage and a person leave them; the log tells one of the evaluations, too."""
    settings = EvaluationSettings(
        data="d" * 64, split="val", images=128, image_size=640, letterbox="rect", conf_thres=0.001, iou_thres=0.65
    )
    evaluations = [
        EvaluationResult(
            label=label,
            weights=weights,
            backend="pytorch",
            settings=settings,
            metrics={"P": 0.51234, "mAP@.5:.95": 0.412345},
            per_class={"person": {"mAP@.5": 0.3, "mAP@.5:.95": 0.2}},
            milliseconds_per_image={"inference": 1.5},
        )
        for label, weights in (("final", "last.pt"), ("ONNX", "model.onnx"))
    ]
    files = [Artifact(role="best", path="weights/best.pt", size_bytes=2, sha256="b" * 64)]
    StageResult(
        stage="qat", seconds=9.5, artifacts=files, evaluations=evaluations, details={"kept": "QAT", "é": [1, None]}
    ).write(folder.result)
    folder.user.write_text('{"name": "renamed", "tags": ["z", "a", "z"], "notes": "two\\nlines", "archived": false}')


def evaluated_log() -> bytes:
    """The log of an evaluation by a stage of ours."""
    return log(
        event("stage", options={"weights": "in.pt"}),
        *(event("evaluating", label="final", weights="last.pt"), f"{VALIDATION}: {bar(2, 2)}"),
        *(metrics("all", 0.512, 0.4, 0.3, 0.412), metrics("person", 0.5, 0.4, 0.3, 0.2)),
        event("evaluation", label="final", weights="last.pt", metrics={"mAP@.5:.95": 0.412345}),
    )
