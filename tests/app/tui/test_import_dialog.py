"""Importing and watching from the command palette, over a real workspace."""

import subprocess
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from app.application import YoloqatApp
from app.backend.local import LocalBackend
from app.screens.dialogs.import_logs import ImportDialog, PathSuggester
from app.screens.run import RunScreen
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from tests.app.importing.test_import_trees import results_txt, training, write_run
from tests.app.indexing.index_fixtures import workspace
from tests.app.tui.fakes import screen_text, until

pytestmark = pytest.mark.indexer_process

__all__ = ["workspace"]


def app_on(workspace: Workspace) -> YoloqatApp:
    return YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))


async def fill_in(app: YoloqatApp, pilot: Pilot[None], command: str, text: str) -> None:
    """Choose a command of the palette, and fill in its form."""
    await until(pilot, lambda: app.is_read, 20)
    await pilot.press("ctrl+p", *command)
    await until(pilot, lambda: command in screen_text(app).lower())
    await pilot.pause(0.3)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ImportDialog))
    app.screen.query_one("#import-path", Input).value = text
    await pilot.press("enter")


async def test_a_folder_is_imported(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("exp", "exp2"):
        write_run(tmp_path / "runs" / name, results=results_txt(epochs=2 if name == "exp" else 3))
    app = app_on(workspace)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await fill_in(app, pilot, "import runs", str(tmp_path / "runs"))
        await until(pilot, lambda: sorted(run.name for run in app.runs) == ["exp", "exp2"], 20)
        await until(pilot, lambda: "2 runs: 2 new" in screen_text(app))
        await fill_in(app, pilot, "import runs", str(tmp_path / "runs"))
        await until(pilot, lambda: "nothing to add; 2 runs: 2 known" in screen_text(app))


async def test_a_log_is_watched_live(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    with path.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys\nsys.stdout.write(sys.stdin.read())"],
            stdin=subprocess.PIPE,
            stdout=output,
        )
    app = app_on(workspace)
    try:
        async with app.run_test(size=(100, 30)) as pilot:
            await fill_in(app, pilot, "watch a log", str(path))
            await until(pilot, lambda: isinstance(app.screen, RunScreen), 20)
            await until(pilot, lambda: [run.state for run in app.runs] == [RunState.RUNNING], 20)
            assert process.stdin is not None
            process.stdin.write(training(epochs=2))
            process.stdin.close()
            await until(pilot, lambda: app.runs[0].epochs_done == 2, 20)
            await until(pilot, lambda: app.runs[0].state is RunState.ENDED, 20)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "text", "told"),
    [
        ("import runs", "/nowhere/at/all", "cannot be read"),
        ("watch a log", "/nowhere/at/all", "no such file"),
        ("attach to a process", "four", "not a valid PID"),
    ],
)
async def test_what_cannot_be_brought_in_is_told(workspace: Workspace, command: str, text: str, told: str) -> None:
    app = app_on(workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await fill_in(app, pilot, command, text)
        await until(pilot, lambda: told in screen_text(app))


async def test_a_path_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runner.log").touch()
    suggest = PathSuggester().get_suggestion
    assert await suggest(f"{tmp_path}/runs") == f"{tmp_path}/runs/"
    assert await suggest(f"{tmp_path}/ru") == f"{tmp_path}/runner.log"
    assert await suggest(f"{tmp_path}/no") is None
    assert await suggest(f"{tmp_path}/nowhere/x") is None
