"""Where a number came from, on the screens: a mark at the columns of a file of results, and what the mark means."""

from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.backend.local import LocalBackend
from app.importing.import_logs import import_logs
from app.screens.compare import CompareScreen
from app.screens.run import RunScreen
from app.widgets.run.run_header import RunHeader
from engine.contracts.run_folder import Workspace
from tests.app.indexing.test_sidecar_rows import PAIRS
from tests.app.tui.fakes import screen_text, until

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "logs"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The runs of the pairs: `yolov7`, `yolov5`, `ultralytics`."""
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    import_logs(made, [PAIRS / f"{name}.txt" for name in ("yolov7", "yolov5", "ultralytics")])
    return made


async def opened(pilot, app: YoloqatApp, name: str) -> RunScreen:
    await until(pilot, lambda: app.runs)
    screen = RunScreen(next(run.id for run in app.runs if run.name == name))
    app.push_screen(screen)
    await until(pilot, lambda: screen.is_mounted and screen.query_one(RunHeader).detail is not None)
    await pilot.pause()
    return screen


def line(app: YoloqatApp, word: str) -> str:
    """The line with a word in it, with single spaces."""
    return " ".join(next(text for text in screen_text(app).splitlines() if word in text).strip(" │").split())


async def test_at_80_by_24_columns_of_a_file_are_marked_and_the_mark_is_explained(workspace: Workspace) -> None:
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "yolov5")
        assert line(app, "Epoch ") == "Epoch mem box° cls° obj° P° R° mAP.5° mAP°"
        assert line(app, "1/2") == "★ 1/2 3.69G 0.10212 0.026551 0.029877 0.60877 0.57123 0.63346 0.34123"
        assert "° from results.csv" in screen_text(app)
        assert "' log" not in screen_text(app)


async def test_a_number_of_the_log_among_those_of_the_file_has_a_mark_of_its_own(workspace: Workspace) -> None:
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    async with app.run_test(size=(200, 50)) as pilot:
        await opened(pilot, app, "ultralytics")
        text = screen_text(app)
        assert "° from results.csv, ' log" in text
        assert "0.01877 0.000875' │" in " ".join(line(app, "1/3").split())
        assert "from results.csv" in next(row for row in text.splitlines() if "best e2" in row)
        assert "Results beside the log" in text
        assert "results.csv, 3 epochs" in text


async def test_without_a_file_there_is_no_mark(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "alone.txt").write_bytes((PAIRS / "yolov7.txt").read_bytes().replace(b"Tesla T4", b"Tesla P4"))
    import_logs(workspace, [tmp_path / "alone.txt"])
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "alone")
        assert line(app, "Epoch ") == "Epoch mem box obj cls total lab img P R mAP.5 mAP"
        assert "°" not in screen_text(app)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_comparison_tells_where_the_best_epoch_was_read(workspace: Workspace, size: tuple[int, int]) -> None:
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.runs)
        ids = [next(run.id for run in app.runs if run.name == name) for name in ("yolov7", "yolov5")]
        screen = CompareScreen(ids)
        app.push_screen(screen)
        await until(pilot, lambda: screen.comparison is not None)
        await pilot.pause()
        assert line(app, "read from") == "read from results.txt results.csv"
        await pilot.press("d")
        await pilot.pause()
        assert "read from" in screen_text(app)


async def test_three_hundred_epochs_are_not_cut_by_the_scrollbar(tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip("the folder of real logs is absent")
    workspace = Workspace(tmp_path / "workspace")
    workspace.runs.mkdir(parents=True)
    import_logs(workspace, [REAL / "yolov7-tiny-nohup.out"])
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "yolov7-tiny-nohup")
        row = "285/299 0.02325 0.01729 0 0.04054 0.9562 0.9898 0.9929 0.7898"
        assert f"{line(app, '285/299')} ".startswith(f"{row} ")
