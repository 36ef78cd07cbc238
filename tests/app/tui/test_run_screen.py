"""One run: its panes, its log, and the pipeline around it."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.screens.run import RunScreen
from app.widgets.log.log_view import LogView
from app.widgets.run.epoch_table import EpochTable
from app.widgets.run.run_header import RunHeader
from engine.contracts.facts import Progress
from engine.contracts.states import RunState
from tests.app.tui.fakes import FakeBackend, detail, epochs, other_runs, pipeline_runs, screen_text, until

RETRAIN, PTQ, QAT, EXPORT, INT8 = pipeline_runs()


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    made = FakeBackend(tmp_path, (*pipeline_runs(), *other_runs()))
    made.logs[QAT.id] = tuple(f"line {i}" for i in range(200))
    return made


def opened(backend: FakeBackend, run_id: str = QAT.id, following: bool = False) -> tuple[YoloqatApp, RunScreen]:
    app = YoloqatApp(lambda: backend)
    return app, RunScreen(run_id, following=following)


async def shown(pilot, app: YoloqatApp, screen: RunScreen) -> None:
    await until(pilot, lambda: len(app.runs) == 9)
    app.push_screen(screen)
    await until(pilot, lambda: screen.is_mounted and screen.query_one(RunHeader).detail is not None)


async def test_at_80_by_24_the_epoch_table_has_all_columns_and_marks_the_best(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        text = screen_text(app)
        assert "Epoch  mem" in text
        assert "mAP.5" in text
        last = QAT.map_curve and backend.details[QAT.id].epochs[-1]
        row = next(line for line in text.splitlines() if "5/9" in line)
        assert row.split()[0] == "★"
        assert row.split()[2:] == [number.text for number in last.values.values()]
        assert next(line for line in text.splitlines() if "6/9" in line).split()[1] == "●", "the epoch at work"
        assert "68%  812/1200  3.41it/s" in text
        assert "✓ retrain → ✓ ptq → ● qat → ◌ export → ◌ int8" in text


async def test_tabs_change_with_digits_and_clicks(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        await pilot.press("2")
        assert "@.5:.95" in screen_text(app)
        await pilot.press("3")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("4")
        assert "No final evaluation yet." in screen_text(app)
        await pilot.press("5")
        assert "yoloqat stop relu-qat" in screen_text(app)
        await pilot.click("PaneTabs", offset=(5, 0))
        await until(pilot, lambda: app.focused is screen.query_one(EpochTable))


async def test_the_list_of_hidden_columns_follows_the_width(backend: FakeBackend) -> None:
    app, screen = opened(backend, RETRAIN.id)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        table = screen.query_one(EpochTable)
        assert table.border_subtitle == "no room for img_size"
        await pilot.resize_terminal(70, 24)
        await until(pilot, lambda: table.border_subtitle not in ("", "no room for img_size"))
        assert str(table.border_subtitle).startswith("no room for "), "more columns are hidden"
        assert str(table.border_subtitle).endswith(", img_size")
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: table.border_subtitle == "" and "no room for" not in screen_text(app))


async def test_a_large_terminal_shows_all_panes_at_once(backend: FakeBackend) -> None:
    app, screen = opened(backend, RETRAIN.id)
    async with app.run_test(size=(200, 50)) as pilot:
        await shown(pilot, app, screen)
        text = screen_text(app)
        for expected in ("1 Epochs", "2 Curves", "3 Log", "4 Evaluation", "5 About", "29/29", "mAP@.5:.95", "Command"):
            assert expected in text
        assert "AP   .50:.95  all    100" in text
        assert "PaneTabs" not in text


async def test_a_new_epoch_appears_and_the_cursor_follows_it(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, app, screen)
        table = screen.query_one(EpochTable)
        assert table.key == "live"
        progress = Progress("train", 3, 1200, 7, 9, 1.0, 300.0, "3.4it/s", {"box": "0.0311"})
        newer = replace(QAT, epochs_done=7, progress=progress)
        backend.details[QAT.id] = replace(detail(newer), epochs=epochs(7, 9, 0.476))
        backend.change(newer)
        app.read_soon()
        await until(pilot, lambda: "1:6" in table.keys)
        assert table.key == "live"
        assert "0.0311" in screen_text(app)


async def test_the_log_follows_pauses_when_scrolled_up_and_follows_again(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        await pilot.press("3")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("pageup")
        await until(pilot, lambda: "paused" in screen_text(app))
        before = screen_text(app).splitlines()[10:20]
        backend.logs[QAT.id] = (*backend.logs[QAT.id], "line 200", "line 201")
        await until(pilot, lambda: "new lines: End" in screen_text(app))
        assert screen_text(app).splitlines()[10:20] == before, "what is read stays where it is"
        await pilot.press("end")
        await until(pilot, lambda: "line 201" in screen_text(app))
        assert "paused" not in screen_text(app)


async def test_what_a_log_contains_is_shown_and_never_obeyed(backend: FakeBackend) -> None:
    nasty = ("[bold red]not markup[/]", "[@click=app.quit]x[/]", "\x1b[2J\x1b]0;title\x07esc", "[/nonsense]", "日本\tx")
    backend.logs[QAT.id] = nasty
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        await pilot.press("3")
        await until(pilot, lambda: "not markup" in screen_text(app))
        text = screen_text(app)
        assert "[bold red]not markup[/]" in text
        assert "[@click=app.quit]x[/]" in text
        assert "\x1b" not in text
        assert "\x07" not in text
        await pilot.click(LogView, offset=(12, 1))
        await pilot.pause(0.2)
        assert app.is_running


async def test_names_and_reasons_are_text_too(backend: FakeBackend) -> None:
    nasty = replace(QAT, name="[red]x[/] \x1b[31m", reason="[@click=app.quit]why[/]", step="[b]", state=RunState.FAILED)
    backend.change(nasty)
    app, screen = opened(backend)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shown(pilot, app, screen)
        assert "[red]x[/]" in screen_text(app)
        assert "[@click=app.quit]why[/]" in screen_text(app)


async def test_brackets_lead_through_the_pipeline(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: screen.run_id == PTQ.id)
        await until(pilot, lambda: "This stage has no epochs." in screen_text(app))
        await pilot.press("right_square_bracket")
        assert screen.run_id == QAT.id
        await pilot.click(RunHeader, offset=(3, 1))
        await until(pilot, lambda: screen.run_id == RETRAIN.id)


async def test_following_goes_on_to_the_step_that_starts(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        await pilot.press("f")
        assert "following" in screen_text(app)
        done = replace(QAT, state=RunState.SUCCEEDED, progress=None)
        backend.change(done, replace(EXPORT, state=RunState.RUNNING, reason=""))
        app.read_soon()
        await until(pilot, lambda: screen.run_id == EXPORT.id)


async def test_who_looks_elsewhere_is_left_alone(backend: FakeBackend) -> None:
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, screen)
        await pilot.press("f", "left_square_bracket")
        assert screen.run_id == PTQ.id
        backend.change(
            replace(QAT, state=RunState.SUCCEEDED, progress=None), replace(EXPORT, state=RunState.RUNNING, reason="")
        )
        app.read_soon()
        await until(pilot, lambda: any(r.state is RunState.RUNNING and r.id == EXPORT.id for r in app.runs))
        assert screen.run_id == PTQ.id


async def test_a_run_that_the_store_does_not_know_yet_is_waited_for(backend: FakeBackend) -> None:
    held = backend.details.pop(QAT.id)
    app, screen = opened(backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        app.push_screen(screen)
        await pilot.pause(1.0)
        assert app.screen is screen, "no error dialog yet"
        backend.details[QAT.id] = held
        await until(pilot, lambda: screen.query_one(RunHeader).detail is not None)
