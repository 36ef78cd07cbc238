"""The layers of a run: ranges of a calibration, sensitivity and its plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.comparing.layers import layer_table
from app.screens.run import RunScreen
from db.views import EventView, RunDetail
from tests.app.tui.fakes import FakeBackend, detail, run, screen_text, until

RANKING = [
    {"name": "model.57.conv", "error": 2e-5, "multiply_adds": 4_700_000},
    {"name": "model.0.conv", "error": 1e-5, "multiply_adds": 8_000_000},
]
PLAN = [{"floating": [], "error": 3e-5, "int8_share": 1.0}, {"floating": ["model.57.conv"], "int8_share": 0.92}]
RANGES = [
    {"name": "model.0.conv", "kind": "input", "bits": 8, "amax": 0.9461, "convolutions": ["model.0.conv"]},
    {
        "name": "model.2.conv",
        "kind": "input",
        "bits": 4,
        "amax": 6.97,
        "convolutions": ["model.2.conv", "model.3.conv"],
    },
    {"name": "model.2.conv", "kind": "weight", "bits": 4, "amax": 0.1, "amax_min": 0.01, "channels": 8},
]
CALIBRATION = {
    "calibrator": "mse",
    "images": 256,
    "image_size": 640,
    "tried": {"mse": 0.00026, "entropy": 1.0771},
    "warnings": ["the input of model.9.conv was zero in all calibration images; its range is set to 1"],
}


def sensitivity() -> RunDetail:
    details = {"method": "output", "sensitivity": RANKING, "plan": PLAN}
    return replace(detail(run("sensitivity", stage="sensitivity")), epochs=(), details=details)


def calibration() -> RunDetail:
    details = {"calibration": CALIBRATION, "ranges": RANGES, "float_convolutions": ["model.77.m.0"]}
    return replace(detail(run("ptq", stage="ptq")), epochs=(), details=details)


async def layers(folder: Path, shown: RunDetail, *keys: str, size: tuple[int, int] = (80, 24)) -> str:
    backend = FakeBackend(folder, (shown.run,))
    backend.details[shown.run.id] = shown
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.runs)
        app.push_screen(RunScreen(shown.run.id))
        await until(pilot, lambda: "Layers" in screen_text(app))
        await pilot.press(*keys)
        await until(pilot, lambda: "model." in screen_text(app) or "tells of no layers" in screen_text(app))
        return screen_text(app)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_a_run_without_epochs_opens_on_its_layers(tmp_path: Path, size: tuple[int, int]) -> None:
    text = await layers(tmp_path, sensitivity(), size=size)
    rows = [line.strip(" │").split() for line in text.splitlines() if "━" in line and "model." in line]
    assert [row[:2] for row in rows] == [["model.57.conv", "2e-05"], ["model.0.conv", "1e-05"]]
    assert ["float" in rows[0], "int8" in rows[1]] == [True, True]
    assert "1 of 2 stay float, 92.0% of the multiply-adds in int8" in text


async def test_ranges_say_who_shares_them_and_how_they_were_found(tmp_path: Path) -> None:
    text = await layers(tmp_path, calibration(), "6")
    assert "mse on 256 images of 640 px" in text
    assert "tried: mse 0.00026, entropy 1.077" in text
    assert "stay float: model.77.m.0" in text
    row = next(line.split() for line in text.splitlines() if line.strip().startswith("model.2.conv"))
    assert (row[1], row[-3:]) == ("6.97", ["4", "4", "model.3.conv"])


async def test_a_training_says_that_it_has_none(tmp_path: Path) -> None:
    assert "`ptq` and `sensitivity` do" in await layers(tmp_path, detail(run("relu")), "6")


@pytest.mark.parametrize(
    "payload",
    [{}, {"rows": 7}, {"rows": [7, {"name": 1}, {"name": "a"}, {"name": "a", "error": "x"}]}, {"rows": [None]}],
)
def test_a_log_may_hold_anything_under_that_name(payload: dict[str, object]) -> None:
    events = (EventView("sensitivity", payload), EventView("calibration", {"quantizers": payload.get("rows")}))
    assert layer_table(replace(detail(run("odd")), details={}, events=events)) is None


def test_a_plan_may_hold_anything_too() -> None:
    plan = EventView("plan", {"floating": [["x"], 7, "model.0.conv"], "int8_share": "x"})
    table = layer_table(replace(sensitivity(), details={}, events=(EventView("sensitivity", {"rows": RANKING}), plan)))
    assert table is not None
    assert [row[-1] for row in table.rows] == ["int8", "float"]


def test_an_error_without_bounds_comes_first() -> None:
    """JSON has no infinity: `result.json` says null."""
    rows = [{"name": "model.9.conv", "error": None, "multiply_adds": 1}, *RANKING, {"name": "model.8.conv"}]
    table = layer_table(replace(sensitivity(), details={"sensitivity": rows}))
    assert table is not None
    assert [row[:2] for row in table.rows] == [
        ("model.9.conv", "inf"),
        ("model.57.conv", "2e-05"),
        ("model.0.conv", "1e-05"),
    ]
    assert table.shares == (1.0, 1.0, 0.5)


async def test_the_next_step_of_a_pipeline_opens_on_its_epochs(tmp_path: Path) -> None:
    ptq, qat = calibration(), detail(run("qat", stage="qat"))
    backend = FakeBackend(tmp_path, (ptq.run, qat.run))
    backend.details |= {ptq.run.id: ptq, qat.run.id: qat}
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.runs)
        screen = RunScreen(ptq.run.id)
        app.push_screen(screen)
        await until(pilot, lambda: "[Layers]" in screen_text(app))
        screen.show_run(qat.run.id)
        await until(pilot, lambda: "[Epochs]" in screen_text(app) and "29/29" in screen_text(app))


def test_events_tell_while_there_is_no_result() -> None:
    told = replace(sensitivity(), details={}, events=(EventView("sensitivity", {"method": "map", "rows": RANKING}),))
    table = layer_table(told)
    assert table is not None
    assert table.headers[1] == "WON BACK"
    assert table.shares == (1.0, 0.5)
