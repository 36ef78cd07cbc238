"""The launch form."""

from pathlib import Path

import pytest
from textual.widgets import Input, Select

from app.application import YoloqatApp
from app.screens.launch import LaunchScreen
from app.screens.run import RunScreen
from app.widgets.launch.input_form import FormRow
from tests.app.tui.fakes import FakeBackend, pipeline_runs, screen_text, until, write_pipeline


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    return FakeBackend(write_pipeline(tmp_path), pipeline_runs())


def row(screen: LaunchScreen, name: str) -> FormRow:
    return next(row for row in screen.query(FormRow) if row.field.name == name)


async def opened(pilot, app: YoloqatApp) -> LaunchScreen:
    await until(pilot, lambda: len(app.runs) == 5)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and list(app.screen.query(FormRow)))
    return app.screen


async def test_the_form_has_a_field_for_each_input_with_its_help(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 40)) as pilot:
        screen = await opened(pilot, app)
        assert [row.field.name for row in screen.query(FormRow)] == ["name", "data", "weights", "epochs", "act"]
        text = screen_text(app)
        assert "epochs of the float training" in text
        assert "retrain → ptq" in text
        assert isinstance(row(screen, "act").query_one(Select).value, str), "a choice is a list"
        await until(pilot, lambda: "Still needed: weights" in screen_text(app))


async def test_the_preview_shows_the_command_lines_before_anything_starts(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot, app)
        row(screen, "weights").query_one(Input).value = "yolov7.pt"
        row(screen, "epochs").query_one(Input).value = "7"
        await until(pilot, lambda: "--epochs 7" in screen_text(app))
        text = screen_text(app)
        assert "relu-int8-retrain" in text
        assert "relu-int8-ptq" in text
        assert backend.launched == []


async def test_mistakes_stand_beside_their_field_with_file_and_line(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot, app)
        row(screen, "weights").query_one(Input).value = "yolov7.pt"
        row(screen, "epochs").query_one(Input).value = "many"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: row(screen, "epochs").has_class("-wrong"))
        assert "relu-int8.yaml:" in screen_text(app)
        assert app.focused is row(screen, "epochs").query_one(Input)
        assert backend.launched == []
        assert app.screen is screen


async def test_a_missing_input_is_asked_for(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: row(screen, "weights").has_class("-wrong"))
        assert app.focused is row(screen, "weights").query_one(Input)


async def test_a_launch_opens_the_first_step_and_follows_the_pipeline(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app)
        row(screen, "weights").query_one(Input).value = "yolov7.pt"
        row(screen, "name").query_one(Input).value = "mine"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert [spec.name for spec in backend.launched] == ["mine-retrain", "mine-ptq"]
        assert app.screen.run_id == backend.launched[0].id
        assert app.screen.following
        await until(pilot, lambda: "q Quit" in screen_text(app))


async def test_letters_are_typed_and_escape_goes_back(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app)
        row(screen, "data").query_one(Input).focus()
        await pilot.press("q", "question_mark", "s")
        assert row(screen, "data").query_one(Input).value.endswith("q?s")
        assert "q Quit" not in screen_text(app), "where letters are typed, no letter is offered as a key"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)
