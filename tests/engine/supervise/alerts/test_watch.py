"""A runner whose user wants to know starts a program that reports while the run goes on."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.contracts.attempt_records import Retry
from engine.contracts.run_folder import AttemptFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.alerts import watch
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch, write_attempt
from tests.engine.supervise.alerts.printed import epoch
from tests.waiting import patience, wait_until


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


def settings(tmp_path: Path, told: Path, **changes: Any) -> str:
    path = tmp_path / "notify.json"
    path.write_text(json.dumps({"command": f'echo "$YOLOQAT_EVENT: $YOLOQAT_REASON" >> {told}', **changes}))
    return str(path)


def run(tmp_path: Path, script: str, notify: str, retry: Retry | None = None) -> AttemptFolder:
    spec = RunSpec(id=new_run_id(), name="relu", stage=COMMAND, command=["sh", "-c", script], cwd=str(tmp_path))
    return launch(Workspace(tmp_path / "workspace"), spec, notify=notify, sample_seconds=0.2, retry=retry)


def lines(told: Path) -> list[str]:
    return told.read_text().splitlines() if told.exists() else []


def test_nan_is_reported_while_the_run_goes_on(tmp_path: Path, told: Path) -> None:
    (tmp_path / "log").write_text(epoch(0) + epoch(1, float("nan")))
    attempt = run(tmp_path, "cat log; until [ -e go ]; do sleep 0.05; done", settings(tmp_path, told))
    wait_until(lambda: lines(told))
    assert lines(told) == ["nan: box nan, total nan in epoch 1"]
    assert not attempt.outcome.exists()
    (tmp_path / "go").touch()
    wait_until(lambda: len(lines(told)) == 2)
    assert lines(told)[1].startswith("success: ")


def test_what_is_printed_at_the_very_end_is_reported(tmp_path: Path, told: Path) -> None:
    (tmp_path / "log").write_text(epoch(0, rating=0.1) + epoch(1, rating=0.2))
    run(tmp_path, "sleep 1; cat log", settings(tmp_path, told, on=["best"]))
    wait_until(lambda: lines(told))
    assert lines(told) == ["best: mAP@.5:.95 0.2 in epoch 1, before 0.1 in epoch 0"]


def test_no_program_is_started_where_nobody_wants_alerts(tmp_path: Path, told: Path) -> None:
    (tmp_path / "log").write_text(epoch(0) + epoch(1, float("nan")))
    attempt = run(tmp_path, "cat log; sleep 1", settings(tmp_path, told, on=["success"]))
    mark = f"alerts:{attempt.path}".encode()
    wait_until(lambda: attempt.console.exists() and attempt.console.stat().st_size)
    assert not any(mark in environment for environment in _environments())
    wait_until(lambda: lines(told))
    assert [line.partition(":")[0] for line in lines(told)] == ["success"]


def _environments() -> list[bytes]:
    environments = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environments.append((folder / "environ").read_bytes())
            except OSError:
                continue
    return environments


def test_a_stop_does_not_reach_the_program_and_it_ends_with_its_runner(tmp_path: Path, told: Path) -> None:
    run(tmp_path, "sleep 0.5; exit 3", settings(tmp_path, told))
    wait_until(lambda: lines(told))
    assert lines(told) == ["failure: exit code 3"]
    mark = f"alerts:{tmp_path}".encode()
    wait_until(lambda: not any(mark in environment for environment in _environments()))


def test_a_retry_is_reported_as_one(tmp_path: Path, told: Path) -> None:
    notify = settings(tmp_path, told)
    spec = RunSpec(
        id=new_run_id(),
        name="relu",
        stage=COMMAND,
        command=["sh", "-c", "[ -e up ] && exit; touch up; kill -9 $$"],
        cwd=str(tmp_path),
    )
    launch(Workspace(tmp_path / "workspace"), spec, notify=notify, retry=Retry(limit=2, pause_seconds=0.1))
    wait_until(lambda: len(lines(told)) == 2)
    assert sorted(lines(told)) == ["retry: signal 9 (SIGKILL); retry 1 of 2", "success: exit code 0"]


def test_samples_are_followed_as_they_come(tmp_path: Path, told: Path) -> None:
    """The program alone, with samples of a night."""
    spec = RunSpec(id=new_run_id(), name="relu", stage=COMMAND, command=["true"], cwd=str(tmp_path))
    notify = settings(tmp_path, told, gpu_idle_minutes=5.0)
    attempt = write_attempt(Workspace(tmp_path / "workspace"), spec, notify=notify)
    samples = [
        {"monotonic": 60.0 * n, "disk_free_bytes": (20 - n) * 10**9, "gpus": [{"index": "0", "utilization_percent": 0}]}
        for n in range(12)
    ]
    attempt.system.write_text(json.dumps(samples[0]) + "\n")
    command = [sys.executable, "-I", "-S", watch.__file__, str(attempt.path), "0.05", str(os.getpid())]
    with subprocess.Popen(command) as process:
        time.sleep(0.3)
        with attempt.system.open("a") as file:
            for sample in samples[1:]:
                file.write(json.dumps(sample) + "\n")
                file.flush()
        wait_until(lambda: len(lines(told)) == 2)
        process.terminate()
    assert lines(told) == ["gpu-idle: GPU 0 idle for 5 min", "disk: 10.0 GB free, full in 10 min at this pace"]


def test_an_earlier_attempt_is_no_news_and_its_best_counts(tmp_path: Path) -> None:
    for number, text in ((1, epoch(0, rating=0.1) + epoch(1, rating=0.3)), (2, epoch(2, rating=0.2))):
        folder = tmp_path / "attempts" / str(number)
        folder.mkdir(parents=True)
        (folder / "console.log").write_text(text)
    followed = watch.Watch(str(tmp_path / "attempts" / "2"), {})
    assert list(followed.look()) == []
    with open(tmp_path / "attempts" / "2" / "console.log", "a") as log:
        log.write(epoch(3, rating=0.4))
    assert [alert.reason for alert in followed.look()] == ["mAP@.5:.95 0.4 in epoch 3, before 0.3 in epoch 1"]


def test_thinned_samples_are_not_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonl"
    path.write_text("1\n2\n3\n4\n")
    file = watch.GrowingFile(str(path))
    assert b"".join(file.chunks()) == b"1\n2\n3\n4\n"
    (tmp_path / "thinned").write_text("2\n4\n")
    os.replace(tmp_path / "thinned", path)
    assert b"".join(file.chunks()) == b""
    with path.open("a") as grown:
        grown.write("5\n")
    assert b"".join(file.chunks()) == b"5\n"


def test_it_ends_when_its_runner_had_gone_before_it_started(tmp_path: Path) -> None:
    attempt = tmp_path / "attempts" / "1"
    attempt.mkdir(parents=True)
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    command = [sys.executable, "-I", "-S", watch.__file__, str(attempt), "60", str(gone.pid)]
    assert subprocess.run(command, timeout=patience(20), check=False).returncode == 0
