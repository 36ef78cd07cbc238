"""The list of pictures, and the steps that take each."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from app.application import YoloqatApp
from app.screens.compare import CompareScreen
from app.screens.launch import LaunchScreen
from app.screens.run import RunScreen
from engine.contracts.run_folder import Workspace
from tests.app.tui.fakes import screen_text, until
from tests.pictures.picture import normalize
from tests.pictures.recorded import LIVE_RUN, RecordedBackend, fixed_surroundings, recorded_workspace

TIMEOUT_SECONDS = 30.0
CHAIN = ("20261117-090000-silu", "20261118-100000-rtrn", "20261120-104000-ptqq", LIVE_RUN)


@dataclass(frozen=True)
class Picture:
    """One screen at one size."""

    name: str
    size: tuple[int, int]
    show: Callable[[YoloqatApp, Pilot[None]], Awaitable[None]]
    """Navigates from the first screen to the pictured one."""
    is_recorded: bool = True
    """Whether it shows the recorded workspace; if not, an empty one."""


async def show_runs(app: YoloqatApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: "2/5 steps" in screen_text(app) and "812/1200" in screen_text(app), TIMEOUT_SECONDS)


async def show_run(app: YoloqatApp, pilot: Pilot[None]) -> None:
    await show_runs(app, pilot)
    app.push_screen(RunScreen(LIVE_RUN))
    await until(pilot, lambda: "812/1200" in screen_text(app) and "4/9" in screen_text(app), TIMEOUT_SECONDS)


async def show_evaluation(app: YoloqatApp, pilot: Pilot[None]) -> None:
    await show_runs(app, pilot)
    app.push_screen(RunScreen(CHAIN[1], pane="evaluation"))
    await until(pilot, lambda: "0.4932" in screen_text(app), TIMEOUT_SECONDS)


async def show_comparison(app: YoloqatApp, pilot: Pilot[None]) -> None:
    await show_runs(app, pilot)
    app.push_screen(CompareScreen(CHAIN))
    await until(pilot, lambda: "float ReLU" in screen_text(app) and "baseline" in screen_text(app), TIMEOUT_SECONDS)


async def show_launch_form(app: YoloqatApp, pilot: Pilot[None]) -> None:
    await show_runs(app, pilot)
    app.push_screen(LaunchScreen())
    await until(pilot, lambda: "Command lines" in screen_text(app) and "python" in screen_text(app), TIMEOUT_SECONDS)
    await settle(app, pilot)
    choice = app.screen.query_one("#pipeline")
    choice.value = next(path for path in app.screen._summaries if path.endswith("/relu-int8.yaml"))  # type: ignore[attr-defined]
    await until(pilot, lambda: "Still needed" in screen_text(app), TIMEOUT_SECONDS)


async def show_welcome(app: YoloqatApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: "No runs yet" in screen_text(app), TIMEOUT_SECONDS)


PICTURES = (
    Picture("first-start-80x24", (80, 24), show_welcome, is_recorded=False),
    Picture("runs-80x24", (80, 24), show_runs),
    Picture("runs-120x40", (120, 40), show_runs),
    Picture("runs-200x60", (200, 60), show_runs),
    Picture("run-80x24", (80, 24), show_run),
    Picture("run-120x40", (120, 40), show_run),
    Picture("evaluation-80x24", (80, 24), show_evaluation),
    Picture("compare-120x40", (120, 40), show_comparison),
    Picture("launch-120x40", (120, 40), show_launch_form),
)
README_PICTURE = Picture("runs", (120, 30), show_runs)
"""The picture in the README."""


async def take_picture(picture: Picture, folder: Path, expected: str = "") -> str:
    """Return the picture as SVG.

    Args:
        picture: the picture to take.
        folder: empty folder for the workspace.
        expected: the stored picture. On a busy machine the last thread's answer may be drawn after the screen seemed
            complete, so a differing picture is taken again until it is equal or `TIMEOUT_SECONDS` have passed.
    """
    with fixed_surroundings(), recorded_workspace(folder / "recorded") as recorded:
        workspace = recorded
        if not picture.is_recorded:
            workspace = Workspace(folder / "empty")
            workspace.runs.mkdir(parents=True)
        app = YoloqatApp(lambda: RecordedBackend(workspace))
        app.animation_level = "none"
        async with app.run_test(size=picture.size) as pilot:
            await picture.show(app, pilot)  # type: ignore[arg-type]
            start = time.monotonic()
            while True:
                await settle(app, pilot)  # type: ignore[arg-type]
                # Refresh the runs: a table that was filled before the layout does not know its width yet.
                app.mutate_reactive(YoloqatApp.runs)
                await settle(app, pilot)  # type: ignore[arg-type]
                svg = normalize(app.export_screenshot(title="yoloqat", simplify=True))
                if expected in ("", svg) or time.monotonic() - start > TIMEOUT_SECONDS:
                    return svg


async def settle(app: YoloqatApp, pilot: Pilot[None]) -> None:
    """Wait until the screen stops changing: what a thread reads is drawn a moment later."""
    before = ""
    while before != (before := screen_text(app)):
        await pilot.pause(0.3)
