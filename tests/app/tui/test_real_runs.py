"""The screen over the real store: runs that really run, logs that were really imported."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.backend.local import LocalBackend
from app.indexing.service import ensure_indexer
from app.screens.run import RunScreen
from app.widgets.log.log_view import LogView
from app.widgets.run.epoch_table import EpochTable
from app.widgets.runs.runs_table import RunsTable
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from tests.app.tui.fakes import answer, screen_text, until
from tests.waiting import patience, wait_until

pytestmark = pytest.mark.indexer_process

TRAINER = Path(__file__).parents[1] / "cli" / "trainer.py"
FOREIGN = Path(__file__).parents[1] / "launching" / "foreign_trainer.py"
SEED = Path(__file__).resolve().parents[2] / "fixtures" / "logs" / "results_act_relu.txt"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose processes are gone after the test."""
    from app.launching.stop import stop_run
    from app.runs.reader import list_runs

    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    yield made
    for view in list_runs(made):
        if view.state.is_live:
            stop_run(made, view.id, now=True)


def train(workspace: Workspace, name: str, epochs: int, seconds: float) -> str:
    from app.launching.launch import launch_command

    return launch_command(workspace, [sys.executable, str(TRAINER), str(epochs), str(seconds)], name=name).id


def app_on(workspace: Workspace) -> YoloqatApp:
    return YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))


async def test_epochs_appear_as_they_are_printed_and_the_end_is_told(workspace: Workspace) -> None:
    train(workspace, "live", 4, 3.0)  # outlasts the start of an indexer on a busy machine
    ensure_indexer(workspace)
    app = app_on(workspace)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "● running" in screen_text(app), 20)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        table = app.screen.query_one(EpochTable)
        await until(pilot, lambda: "1:0" in table.keys and "live" in table.keys, 20)
        assert "/2" in screen_text(app), "the bar inside the epoch"
        await until(pilot, lambda: app.runs[0].state is RunState.SUCCEEDED, 60)
        await until(pilot, lambda: table.keys == ("1:0", "1:1", "1:2", "1:3"), 10)
        assert "0.2" in next(line for line in screen_text(app).splitlines() if "3/3" in line)
        await until(pilot, lambda: "live: succeeded" in screen_text(app))


async def test_reopening_shows_the_same_run_with_its_progress(workspace: Workspace) -> None:
    run_id = train(workspace, "long", 30, 0.6)
    first = app_on(workspace)
    async with first.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: first.runs and (first.runs[0].epochs_done or 0) >= 1, 20)
        await pilot.press("q", "q")
    second = app_on(workspace)
    async with second.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: second.runs and (second.runs[0].epochs_done or 0) >= 2, 20)
        assert second.runs[0].id == run_id
        assert second.runs[0].state is RunState.RUNNING
        await pilot.press("s")
        await answer(pilot, "left", "left", "enter")
        await until(pilot, lambda: second.runs[0].state is RunState.STOPPED, 30)
        assert "■ stopped" in screen_text(second)


async def test_an_imported_log_is_a_run_with_every_digit(workspace: Workspace) -> None:
    from app.importing.import_logs import import_logs

    import_logs(workspace, [SEED])
    app = app_on(workspace)
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "results_act_relu" in screen_text(app), 20)
        row = " ".join(next(line for line in screen_text(app).splitlines() if "results_act_relu" in line).split())
        assert "○ ended" in row
        assert "0.478 e20" in row
        await pilot.press("enter")
        await until(pilot, lambda: "29/29" in screen_text(app), 20)
        text = screen_text(app)
        assert "0.006784" in text
        assert "20/29" in text
        assert "0.676" in text, "AP50 of last.pt"
        await pilot.press("4", "right")
        await until(pilot, lambda: "0.675" in screen_text(app), 10)


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudo-terminal and /proc are needed")
def test_killing_the_screen_leaves_the_run_alone(workspace: Workspace, tmp_path: Path) -> None:
    import pty

    from app.launching.launch import launch_command

    script = f"until [ -e {tmp_path}/go ]; do sleep 0.1; done; exec {sys.executable} {TRAINER} 2 0.1"
    run_id = launch_command(workspace, ["sh", "-c", script], name="survivor").id
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", PYTHONPATH=str(Path(__file__).resolve().parents[3]))
        os.execv(sys.executable, [sys.executable, "-P", "-m", "app.tui", "--workspace", str(workspace.path)])
    seen = b""
    end = time.monotonic() + patience(30)
    while b"survivor" not in seen and time.monotonic() < end:
        seen += os.read(terminal, 65536)
    assert b"survivor" in seen
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    from app.launching.stop import run_status

    assert run_status(workspace, run_id).state is RunState.RUNNING
    (tmp_path / "go").touch()
    wait_until(lambda: not run_status(workspace, run_id).state.is_live, 30)
    assert run_status(workspace, run_id).state is RunState.SUCCEEDED
    log = subprocess.run(["tail", "-n", "3", str(workspace.run(run_id).attempt(1).console)], capture_output=True).stdout
    assert b"2 epochs completed" in log


async def test_the_table_names_every_run_of_the_workspace(workspace: Workspace) -> None:
    for name in ("one", "two", "one"):
        train(workspace, name, 1, 0.1)
    app = app_on(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunsTable).keys) == 3, 20)
        await until(pilot, lambda: all(view.state is RunState.SUCCEEDED for view in app.runs), 30)
        assert {view.name for view in app.runs} == {"one", "one2", "two"}


async def test_r_resumes_what_was_killed(workspace: Workspace, tmp_path: Path) -> None:
    from app.launching.launch import launch_command
    from app.launching.stop import run_status
    from engine.contracts.attempt_records import ProcessRecord

    (tmp_path / "train.py").write_bytes(FOREIGN.read_bytes())
    (tmp_path / "hold").touch()
    spec = launch_command(workspace, [sys.executable, "train.py"], name="relu", cwd=tmp_path)
    first = workspace.run(spec.id).attempt(1)
    app = app_on(workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: first.console.exists() and b"2/5" in first.console.read_bytes(), 20)
        process = ProcessRecord.read(first.process)
        assert process is not None
        assert process.stage is not None
        os.kill(process.stage.pid, signal.SIGKILL)
        await until(pilot, lambda: app.runs and app.runs[0].state is RunState.KILLED, 20)
        await pilot.press("r")
        await until(pilot, lambda: "attempt 2 resumes from last.pt" in screen_text(app), 20)
        await until(pilot, lambda: app.runs[0].state is RunState.SUCCEEDED, 30)
        await pilot.press("r")
        await until(pilot, lambda: "nothing to resume" in " ".join(screen_text(app).split()), 10)
    assert run_status(workspace, spec.id).attempt == 2


async def test_faults_are_on_the_screen_within_five_seconds(workspace: Workspace, tmp_path: Path) -> None:
    from app.launching.launch import launch_command
    from engine.contracts.attempt_records import ProcessRecord

    def kill(name: str, *who: str) -> None:
        process = ProcessRecord.read(workspace.run(runs[name]).attempt(1).process)
        assert process is not None
        assert process.stage is not None
        for one in who:
            os.kill(getattr(process, one).pid, signal.SIGKILL)

    script = "echo it was here; until [ -e go ]; do sleep 0.05; done; exit 3"
    names = ("exits-3", "killed", "orphan", "both", "deleted")
    argv = ["sh", "-c", script]
    runs = {name: launch_command(workspace, argv, name=name, cwd=tmp_path).id for name in names}
    app = app_on(workspace)
    async with app.run_test(size=(110, 30)) as pilot:
        await until(pilot, lambda: [run.state for run in app.runs] == 5 * [RunState.RUNNING], 20)
        kill("killed", "stage")
        kill("orphan", "runner")
        kill("both", "runner", "stage")
        shutil.rmtree(workspace.run(runs["deleted"]).path)

        def told() -> dict[str, tuple[RunState, str]]:
            return {run.name: (run.state, run.reason) for run in app.runs}

        def is_true() -> bool:
            now = told()
            return (
                now.keys() == {"exits-3", "killed", "orphan", "both"}
                and now["killed"] == (RunState.KILLED, "signal 9 (SIGKILL)")
                and now["orphan"] == (RunState.RUNNING, "its runner was lost; the stage goes on")
                and now["both"][0] is RunState.ENDED
            )

        await until(pilot, is_true, 5)
        assert "the log ends with: it was here" in told()["both"][1]
        (tmp_path / "go").touch()
        failed = (RunState.FAILED, "exit code 3")
        await until(pilot, lambda: told()["exits-3"] == failed and told()["orphan"][0] is RunState.ENDED, 5)
        text = screen_text(app)
        for words in ("✗ failed", "✗ killed", "○ ended"):
            assert words in text
        await until(pilot, lambda: "it was here" in screen_text(app), 5)  # below the table, of the run at the cursor
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: "it was here" in screen_text(app), 5)
        assert app.screen.query_one(LogView).display, "what went wrong before its first epoch is told by its log"
