"""Marks and trash from the screen, over a real workspace."""

from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.backend.local import LocalBackend
from app.importing.import_logs import import_logs
from app.runs.trash import trashed_runs
from app.workspace.user_file import read_user
from engine.contracts.run_folder import Workspace
from tests.app.tui.fakes import screen_text, until

LOG = Path(__file__).parents[2] / "fixtures" / "logs" / "results_act_relu.txt"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    import_logs(made, [LOG], name="relu")
    return made


def app_on(workspace: Workspace) -> YoloqatApp:
    return YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))


async def test_name_tags_and_note_are_edited_in_one_form(workspace: Workspace) -> None:
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 1, 20)
        await pilot.press("e")
        await until(pilot, lambda: "Save" in screen_text(app))
        await pilot.press("end", "2", "tab", *"good,paper", "tab", *"ok", "enter")
        await until(pilot, lambda: app.runs[0].tags == ("good", "paper"), 10)
        await until(pilot, lambda: app.runs[0].notes == "ok", 10)
        assert "relu2" in screen_text(app)
        await pilot.press("slash", *"paper", "enter")
        await until(pilot, lambda: "relu2" in screen_text(app))
        await pilot.press("e", "x", "escape")
        assert app.runs[0].name == "relu2", "Escape leaves everything as it was"
    (folder,) = workspace.run_folders()
    assert read_user(folder) == {"name": "relu2", "tags": ["good", "paper"], "notes": "ok"}


async def test_a_name_that_is_taken_is_told(workspace: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(LOG.read_bytes() + b"\n")
    import_logs(workspace, [other], name="silu")
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 2, 20)
        taken = "silu" if app.screen.run_at_hand.name == "relu" else "relu"  # type: ignore[attr-defined]
        await pilot.press("e", "end", "ctrl+u", *taken, "enter")
        await until(pilot, lambda: "is in use" in screen_text(app))


async def test_delete_and_undelete(workspace: Workspace) -> None:
    app = app_on(workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: len(app.runs) == 1, 20)
        await pilot.press("x")
        await until(pilot, lambda: not app.runs, 10)
        await until(pilot, lambda: "u brings it" in " ".join(screen_text(app).split()), 10)
        assert [run.name for run in trashed_runs(workspace)] == ["relu"]
        await pilot.press("u")
        await until(pilot, lambda: len(app.runs) == 1, 10)
        assert trashed_runs(workspace) == []


async def test_archived_runs_are_hidden_until_they_are_wanted(workspace: Workspace) -> None:
    app = app_on(workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: len(app.runs) == 1, 20)
        await pilot.press("a")
        await until(pilot, lambda: not app.runs, 10)
        await pilot.press("A")
        await until(pilot, lambda: len(app.runs) == 1, 10)
        await pilot.press("a")
        await until(pilot, lambda: not app.runs[0].archived, 10)
        await pilot.press("A")
        await pilot.pause(0.5)
        assert len(app.runs) == 1
