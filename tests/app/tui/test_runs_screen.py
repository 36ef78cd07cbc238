"""Home: the table of runs, its filter and marks, and what leads away from it."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from app.application import YoloqatApp
from app.messages import RunEnded
from app.screens.compare import CompareScreen
from app.screens.dialogs.quit import QuitDialog
from app.screens.dialogs.stop import StopDialog
from app.screens.help import HelpScreen
from app.screens.run import RunScreen
from app.screens.runs import RunsScreen
from app.widgets.base.grid import Grid
from app.widgets.runs.filter_bar import FilterBar
from app.widgets.runs.runs_table import RunsTable
from engine.contracts.errors import YoloqatError
from engine.contracts.states import RunState
from tests.app.tui.fakes import FakeBackend, answer, other_runs, pipeline_runs, run, screen_text, until

DEAF_SECONDS = StopDialog.DEAF_SECONDS + 0.2


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    return FakeBackend(tmp_path, (*pipeline_runs(), *other_runs()))


async def test_at_80_by_24_every_row_tells_state_epoch_map_and_age(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "relu-int8" in screen_text(app))
        text = " ".join(screen_text(app).split())
        assert "qat ● running 7/10 ━━╸─ 67% 0.476 e5 1h 12m 2h" in text
        assert "nohup-tiny ✗ oom 12/300 0.211 e11 3d" in text
        assert "results_act_relu ○ complete 30/30 0.478 e25 1y" in text
        assert "● 1 running ◌ 2 queued 9 runs" in text
        assert "…" not in screen_text(app).partition("NAME")[2], "nothing is cut"


async def test_a_wide_terminal_adds_stage_reason_trend_and_curve(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "waits for relu-qat" in screen_text(app))
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: "812/1200" in screen_text(app))
        text = screen_text(app)
        assert "✗ killed  signal 9 (SIGKILL)" in text
        assert "▁" in text
        await until(pilot, lambda: "└0──" in screen_text(app))


async def test_the_cursor_stays_on_its_run_when_others_arrive(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        table = app.screen.query_one(RunsTable)
        table.move_to("20261101-gone")
        backend.change(run("brand-new", minutes_ago=0))
        app.read_soon()
        await until(pilot, lambda: "brand-new" in screen_text(app))
        assert table.key == "20261101-gone"


async def test_the_filter_narrows_the_table_and_escape_drops_it(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("slash", *"oom", "enter")
        table = app.screen.query_one(RunsTable)
        assert table.keys == ("20261101-nohup-tiny",)
        assert table.has_focus
        await pilot.press("escape")
        assert len(table.keys) == 10


async def test_a_filter_compares_numbers_and_says_what_it_does_not_understand(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        table, bar = app.screen.query_one(RunsTable), app.screen.query_one(FilterBar)
        await pilot.press("slash", *"map>")
        await until(pilot, lambda: bar.problem == "a value is missing after map>")
        await pilot.press(*"0.47")
        await until(pilot, lambda: bar.problem == "" and 0 < len(table.keys) < 9)
        best = {run.id: run.best_map for run in app.runs}
        matching = table.keys
        shown = [best[key] for key in matching if key in best]
        assert all(number is not None and number.value is not None and number.value > 0.47 for number in shown)
        await pilot.press(*" mapp>")
        await until(pilot, lambda: "unknown field: mapp" in screen_text(app))
        assert table.keys == matching, "what stands before it stays in force"
        await pilot.press(*["backspace"] * 6)
        await until(pilot, lambda: bar.problem == "")


async def test_the_name_of_a_field_is_completed(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("slash", *"relu stag")
        field = app.screen.query_one(Input)
        await until(pilot, lambda: field._suggestion != "")
        await pilot.press("right")
        assert field.value == "relu stage:"


async def test_runs_are_sorted_by_key_and_by_a_click_and_put_back(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        table = app.screen.query_one(RunsTable)
        grouped = table.keys
        await pilot.press("o")
        best = {run.id: run.best_map.value if run.best_map else None for run in app.runs}
        values = [best[key] for key in table.keys]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=True)
        assert values[len(known) :] == [None] * (len(values) - len(known)), "those without one come last"
        assert "mAP@.5:.95▾" in screen_text(app)
        await pilot.press("O")
        assert [best[key] for key in table.keys][: len(known)] == known[::-1]
        await pilot.press("escape")
        assert table.keys == grouped
        x = next(line.index("NAME") for line in screen_text(app).splitlines() if "NAME" in line)
        await pilot.click(RunsTable, offset=(x, 0))
        names = {run.id: run.name.lower() for run in app.runs}
        assert [names[key] for key in table.keys] == sorted(names.values())


async def test_marked_runs_are_compared(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("escape")
        app.screen.query_one(RunsTable).move_to("20261101-gone")
        await pilot.press("space", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert app.screen.run_ids == ("20261101-gone", "20261101-nohup-tiny")


async def test_one_run_alone_is_not_compared(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(notifications=True, size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        app.screen.query_one(RunsTable).move_to("20261101-gone")
        await pilot.press("c")
        await until(pilot, lambda: "Mark at least" in screen_text(app))
        assert isinstance(app.screen, RunsScreen)


async def test_a_pipeline_folds(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("enter")
        table = app.screen.query_one(RunsTable)
        assert len(table.keys) == 5
        await pilot.press("enter")
        assert len(table.keys) == 10


async def test_enter_and_a_double_click_open_a_run(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert app.screen.run_id == "20261101-relu-retrain"
        await pilot.press("escape")
        await pilot.click(RunsTable, offset=(10, 4), times=2)
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert app.screen.run_id == "20261101-relu-qat"


async def test_stop_asks_first_and_then_asks_the_runner(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("down", "down", "down", "s")
        text = screen_text(app)
        assert text.index("SIGINT") < text.index("SIGTERM") < text.index("SIGKILL")
        await pilot.press("escape")
        assert backend.stopped == []
        await pilot.press("s")
        await answer(pilot, "left", "left", "left", "enter")
        await until(pilot, lambda: backend.stopped == [("20261101-relu-qat", False)])
        stopping = replace(pipeline_runs()[2], stopping="SIGINT sent, SIGTERM in 12 s")
        backend.change(stopping)
        app.read_soon()
        await until(pilot, lambda: "◼ stopping" in screen_text(app))
        assert "SIGTERM in 12 s" in screen_text(app)
        await pilot.press("s")
        await answer(pilot, "left", "enter")
        await until(pilot, lambda: backend.stopped[-1] == ("20261101-relu-qat", True))


async def test_a_run_at_work_can_be_paused_instead(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("down", "down", "down", "s")
        assert "After this epoch" in screen_text(app)
        await answer(pilot, "left", "enter")
        await until(pilot, lambda: backend.paused == ["20261101-relu-qat"])
        await until(pilot, lambda: "press r to resume" in screen_text(app))
        backend.change(replace(pipeline_runs()[2], stopping="ends at its next checkpoint"))
        app.read_soon()
        await until(pilot, lambda: "◼ stopping" in screen_text(app))
        await pilot.press("s")
        assert "Stop" in screen_text(app)
        await answer(pilot, "left", "enter")
        await until(pilot, lambda: backend.stopped == [("20261101-relu-qat", False)])


@pytest.mark.parametrize("line", ["squeue", "sudo reboot", "source env.sh", "ps aux", "ls"])
async def test_a_shell_line_typed_into_the_screen_stops_nothing(backend: FakeBackend, line: str) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("down", "down", "down")
        await pilot.press(*("space" if character == " " else character for character in line), "enter")
        await pilot.pause(DEAF_SECONDS)
        assert backend.stopped == []
        if isinstance(app.screen, StopDialog):
            assert "were dropped" in screen_text(app)
            await pilot.press("enter")  # read by now, and thoughtless: the focus is on the safe answer
            await pilot.pause()
        assert backend.stopped == []
        assert backend.paused == []


async def test_a_run_that_has_ended_is_not_stopped(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(notifications=True, size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("down", "s")
        await until(pilot, lambda: "is succeeded:" in screen_text(app))
        assert backend.stopped == []


async def test_the_end_of_a_run_is_told(backend: FakeBackend) -> None:
    messages: list[object] = []
    app = YoloqatApp(lambda: backend)
    async with app.run_test(notifications=True, size=(120, 40), message_hook=messages.append) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        backend.change(replace(pipeline_runs()[2], state=RunState.FAILED, reason="exit code 3", progress=None))
        app.read_soon()
        await until(pilot, lambda: "relu-qat: failed" in screen_text(app))
        assert "exit code 3" in screen_text(app)
        assert sum(isinstance(message, RunEnded) for message in messages) == 1


async def test_quit_says_that_runs_go_on(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, QuitDialog))
        assert "3 runs go on without this screen." in screen_text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("q", "q")
    assert "3 runs go on" in app.farewell


async def test_help_lists_every_key_of_the_screen(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(100, 60)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = screen_text(app)
        for expected in ("Launch a pipeline.", "Stop the run, or pause", "Compare the marked runs", "out of memory"):
            assert expected in text
        await pilot.press("question_mark")
        assert isinstance(app.screen, RunsScreen)


async def test_the_palette_opens_a_run(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("ctrl+p", *"open relu-ptq")
        await until(pilot, lambda: "Open relu-ptq" in screen_text(app))
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert app.screen.run_id == "20261101-relu-ptq"


async def test_an_empty_workspace_says_what_to_do(tmp_path: Path) -> None:
    app = YoloqatApp(lambda: FakeBackend(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No runs yet." in screen_text(app))
        text = screen_text(app)
        assert "yoloqat import PATH" in text
        assert "yoloqat-tui --demo" in text


async def test_a_workspace_that_cannot_be_opened_is_told_once_in_words() -> None:
    calls = 0

    def fails() -> FakeBackend:
        nonlocal calls
        calls += 1
        raise YoloqatError("the database is of a newer version", where="/w/yoloqat.db", hint="Update yoloqat.")

    app = YoloqatApp(fails)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: calls >= 2, seconds=15)
        text = screen_text(app)
        assert "the database is of a newer version" in text
        assert "/w/yoloqat.db" in text
        assert "Update yoloqat." in text
        assert len(app.screen_stack) == 3, "one dialog, however often it fails"


async def test_too_small_a_terminal_says_so_and_recovers(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: "too small" in screen_text(app))
        assert "retrain" not in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "retrain" in screen_text(app))


async def test_nothing_is_drawn_while_nothing_changes(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    original = Grid.render_line
    monkeypatch.setattr(Grid, "render_line", lambda self, y: (drawn.append(y), original(self, y))[1])
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.pause(0.5)
        drawn.clear()
        reads = backend.reads
        for _ in range(3):
            app.read_soon()
            await pilot.pause(0.4)
        assert backend.reads > reads
        assert drawn == []


async def test_one_changed_run_redraws_its_row_alone(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    original = Grid.render_line
    monkeypatch.setattr(Grid, "render_line", lambda self, y: (drawn.append(y), original(self, y))[1])
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.pause(0.5)
        drawn.clear()
        qat = pipeline_runs()[2]
        assert qat.progress is not None
        backend.change(replace(qat, progress=replace(qat.progress, done=1000)))
        app.read_soon()
        await until(pilot, lambda: drawn)
        await pilot.pause(0.3)
        assert set(drawn) == {4}
