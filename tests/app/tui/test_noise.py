"""The comparison is shown at once, and says what is noise as soon as the images are resampled."""

from app.application import YoloqatApp
from app.screens.compare import CompareScreen
from engine.contracts.run_folder import Workspace
from tests.app.comparing.noisy_chain import add_chain
from tests.app.indexing.index_fixtures import workspace
from tests.app.tui.fakes import screen_text, until
from tests.app.tui.test_real_runs import app_on

__all__ = ["workspace"]


def line(app: YoloqatApp, start: str) -> list[str]:
    return next(text.split() for text in screen_text(app).splitlines() if text.strip().startswith(start))


async def test_noise_is_marked_once_it_is_known(workspace: Workspace) -> None:
    folders = add_chain(workspace)
    app = app_on(workspace)
    async with app.run_test(size=(140, 40)) as pilot:
        await until(pilot, lambda: len(app.runs) == 3, 10)
        app.push_screen(CompareScreen(tuple(folder.id for folder in folders)))
        await until(pilot, lambda: "ONNX INT8" in screen_text(app), 10)
        await until(pilot, lambda: "~ noise" in screen_text(app), 20)
        assert sum(cell.endswith("~") for cell in line(app, "└ PTQ")) == 2
        assert any("…+" in cell for cell in line(app, "└ PTQ"))
        assert not any(cell.endswith("~") for cell in line(app, "└ ONNX INT8"))
        await until(pilot, lambda: sum(cell.endswith("~") for cell in line(app, "mAP@.5:.95")) == 1)
