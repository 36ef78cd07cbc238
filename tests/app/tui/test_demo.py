"""The demo on the screen: follow the pipeline, end on the comparison of the whole chain."""

from dataclasses import replace
from pathlib import Path

from app.application import YoloqatApp
from app.screens.compare import CompareScreen
from app.screens.run import RunScreen
from app.screens.runs import RunsScreen
from engine.contracts.states import RunState
from tests.app.tui.fakes import FakeBackend, pipeline_runs, screen_text, until

QAT, EXPORT, INT8 = pipeline_runs()[2:]


def done(view):
    return replace(view, state=RunState.SUCCEEDED, progress=None, reason="")


async def test_it_follows_each_step_and_ends_on_the_chain(tmp_path: Path) -> None:
    backend = FakeBackend(tmp_path)
    app = YoloqatApp(lambda: backend, demo=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == QAT.id)
        assert "following" in screen_text(app)
        backend.change(done(QAT), replace(EXPORT, state=RunState.RUNNING, reason=""))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == EXPORT.id)
        backend.change(done(EXPORT), done(INT8))
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert app.screen.run_ids == tuple(view.id for view in pipeline_runs())
        await until(pilot, lambda: "└ PTQ" in screen_text(app))


async def test_who_went_elsewhere_is_told_and_not_moved(tmp_path: Path) -> None:
    backend = FakeBackend(tmp_path)
    app = YoloqatApp(lambda: backend, demo=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        backend.change(*(done(view) for view in (QAT, EXPORT, INT8)))
        await until(pilot, lambda: "The demo has ended" in screen_text(app))
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
