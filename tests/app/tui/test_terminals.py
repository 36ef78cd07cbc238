"""Other terminals: without colour, without Unicode, without a terminal at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.keymap import KEYMAP
from app.widgets.base import glyphs as glyphs_module
from app.widgets.runs.runs_table import RunsTable
from tests.app.tui.fakes import FakeBackend, other_runs, pipeline_runs, screen_text, until
from tests.waiting import patience

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    return FakeBackend(tmp_path, (*pipeline_runs(), *other_runs()))


async def test_without_unicode_every_screen_is_ascii(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLOQAT_ASCII", "1")
    glyphs_module.glyphs.cache_clear()
    try:
        app = YoloqatApp(lambda: backend)
        async with app.run_test(size=(180, 45)) as pilot:
            await until(pilot, lambda: len(app.runs) == 9)
            await pilot.pause(0.3)
            for keys in ((), ("down", "enter"), ("s",), ("escape", "escape", "c"), ("escape", "question_mark")):
                await pilot.press(*keys)
                await pilot.pause(0.4)
                odd = {sign for sign in screen_text(app) if not sign.isascii()}
                assert not odd, f"after {keys}: {odd}\n{screen_text(app)}"
    finally:
        monkeypatch.delenv("YOLOQAT_ASCII")
        glyphs_module.glyphs.cache_clear()


@pytest.mark.slow
async def test_every_kind_of_theme_draws_every_screen(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(180, 45)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        chosen = [name for name, theme in app.available_themes.items() if theme.ansi or not theme.dark]
        for theme in (*chosen, "nord", "yoloqat-dark"):
            app.theme = theme
            await pilot.press("down", "enter", "s")
            await pilot.pause(0.05)
            await pilot.press("escape", "escape", "c")
            await pilot.pause(0.05)
            await pilot.press("escape", "home")
            assert "relu-int8" in screen_text(app), theme


async def test_in_sixteen_colours_the_cursor_is_reversed(backend: FakeBackend) -> None:
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        app.theme = "ansi-dark"
        await pilot.pause()
        table = app.screen.query_one(RunsTable)
        assert all(segment.style and segment.style.reverse for segment in table.render_line(1))
        assert not any(segment.style and segment.style.reverse for segment in table.render_line(2))


async def test_without_colour_the_cursor_is_seen(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = YoloqatApp(lambda: backend)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.runs) == 9)
        await pilot.press("down")
        line = next(text for text in screen_text(app).splitlines() if "▸" in text and "retrain" in text)
        assert "✓ done" in line


def test_keys_have_ids_of_their_own_and_do_not_clash() -> None:
    ids = [key.id for scope in KEYMAP.values() for key in scope.keys]
    assert len(ids) == len(set(ids))
    for name, scope in KEYMAP.items():
        keys = [part for key in scope.keys for part in key.keys.split(",")]
        assert len(keys) == len(set(keys)), name
        if name not in ("app", "grid", "log", "launch"):
            assert not set(keys) & {part for key in KEYMAP["app"].keys for part in key.keys.split(",")}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=patience(60)
    )


def test_the_first_picture_needs_neither_store_nor_torch() -> None:
    code = "import sys, app.application, app.tui; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = set(run_python(code).stdout.split())
    assert not loaded & {
        "torch",
        "cv2",
        "onnx",
        "onnxruntime",
        "numpy",
        "sqlmodel",
        "sqlalchemy",
        "alembic",
        "pydantic",
    }


def test_help_needs_no_screen() -> None:
    code = "import sys; from app.tui import main\ntry: main(['--help'])\nfinally: print('textual' in sys.modules)"
    done = run_python(code)
    assert "--workspace DIR" in done.stdout
    assert done.stdout.strip().endswith("False")


def test_without_a_terminal_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app.tui", "--workspace", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=patience(60),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_screen_that_has_shown_runs_has_loaded_no_library_that_writes(tmp_path: Path) -> None:
    """It renames a run, too, and shows the new name: the indexer's process has written it."""
    from app.importing.import_logs import import_logs
    from engine.contracts.run_folder import Workspace

    workspace = Workspace(tmp_path / "workspace")
    workspace.runs.mkdir(parents=True)
    import_logs(workspace, [REPOSITORY / "tests" / "fixtures" / "logs" / "results_act_relu.txt"])
    code = f"""
import asyncio, sys, time
from app.application import YoloqatApp
from app.backend.local import LocalBackend

async def show():
    app = YoloqatApp(lambda: LocalBackend.open({str(workspace.path)!r}))
    async with app.run_test() as pilot:
        async def named(name):
            end = time.monotonic() + 40
            while [run.name for run in app.runs] != [name] and time.monotonic() < end:
                await pilot.pause(0.05)
            return [run.name for run in app.runs] == [name]
        assert await named("results_act_relu")
        app.backend.annotate(app.runs[0], "renamed", (), "")
        app.read_soon()
        assert await named("renamed")
        await pilot.press("enter")
        await pilot.pause(0.5)

asyncio.run(show())
print(*{{name.partition(".")[0] for name in sys.modules}})
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"sqlmodel", "sqlalchemy", "alembic", "torch", "numpy"}
