"""Runs side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.screens.compare import CompareScreen
from db.views import Number
from tests.app.tui.fakes import FakeBackend, detail, evaluation, pipeline_runs, run, screen_text, until

RETRAIN, PTQ, *_ = pipeline_runs()


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    return FakeBackend(tmp_path, pipeline_runs())


async def compared(pilot, app: YoloqatApp, *ids: str) -> CompareScreen:
    await until(pilot, lambda: app.runs)
    screen = CompareScreen(ids)
    app.push_screen(screen)
    await until(pilot, lambda: screen.comparison is not None)
    await pilot.pause()
    return screen


def line(app: YoloqatApp, start: str) -> list[str]:
    return next(text.split() for text in screen_text(app).splitlines() if text.strip().startswith(start))


async def test_the_chain_stands_on_top_with_the_drop_of_each_step(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await compared(pilot, app, RETRAIN.id, PTQ.id)
        assert line(app, "float ReLU")[:4] == ["float", "ReLU", "relu-retrain", "0.476"]
        assert line(app, "└ PTQ")[1:6] == ["PTQ", "relu-ptq", "0.472", "−0.4", "−0.4"]


async def test_runs_without_a_chain_have_no_table_of_it(backend: FakeBackend) -> None:
    one, other = run("one"), run("other")
    backend.change(one, other)
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await compared(pilot, app, one.id, other.id)
        assert "Δ parent" not in screen_text(app)


async def test_b_makes_the_next_run_the_baseline(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await compared(pilot, app, RETRAIN.id, PTQ.id)
        assert "◆ retrain" in screen_text(app)
        assert line(app, "mAP@.5:.95") == ["mAP@.5:.95", "★", "0.476", "0.472", "−0.4"]
        await pilot.press("b")
        await until(pilot, lambda: screen.comparison and screen.comparison.baseline == PTQ.id)
        await until(pilot, lambda: "◆ ptq" in screen_text(app))
        assert line(app, "mAP@.5:.95") == ["mAP@.5:.95", "★", "0.476", "+0.4", "0.472"]


async def test_d_shows_the_rows_that_differ(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 60)) as pilot:
        await compared(pilot, app, RETRAIN.id, PTQ.id)
        assert "batch_size" in screen_text(app)
        await pilot.press("d")
        await pilot.pause()
        text = screen_text(app)
        assert "batch_size" not in text
        assert "AP75" not in text
        assert "mAP@.5:.95" in text


async def test_other_settings_give_no_number(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    one, other = run("one"), run("other")
    backend.change(one, other)
    given = [
        replace(evaluation(0, "float", "a.pt", value), settings={"image_size": size})
        for value, size in ((0.4, 640), (0.5, 320))
    ]
    for view, found in zip((one, other), given, strict=True):
        backend.details[view.id] = replace(detail(view), evaluations=(found,), epochs=())
    async with app.run_test(size=(120, 40)) as pilot:
        await compared(pilot, app, one.id, other.id)
        assert (
            line(app, "mAP@.5:.95") == ["mAP@.5:.95", "0.400", "0.500", "≠eval"]
            or line(app, "mAP@.5:.95")[-1] == "≠eval"
        )
        assert "+10" not in screen_text(app)


async def test_more_runs_than_fit_are_reached_sideways(backend: FakeBackend) -> None:
    many = tuple(run(f"run-number-{i}", best_map=Number("0.4", 0.4)) for i in range(9))
    backend.change(*many)
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await compared(pilot, app, *(view.id for view in many))
        assert "run-number-0" in screen_text(app)
        assert "run-number-8" not in screen_text(app)
        await pilot.press(*["right"] * 8)
        await pilot.pause()
        assert "run-number-8" in screen_text(app)
        assert "mAP@.5:.95" in screen_text(app), "the names of the rows stay"


async def test_it_keeps_up_with_a_run_that_goes_on(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(120, 40)) as pilot:
        await compared(pilot, app, RETRAIN.id, PTQ.id)
        newer = replace(PTQ, best_map=Number("0.475", 0.475))
        backend.details[PTQ.id] = replace(detail(newer), evaluations=(evaluation(0, "PTQ", "ptq.pt", 0.475),))
        backend.change(newer)
        app.read_soon()
        await until(pilot, lambda: "−0.1" in screen_text(app))
