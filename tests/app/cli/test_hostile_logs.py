"""A log that tries to command the terminal, or the screen by its markup: it is shown as text, everywhere."""

from pathlib import Path

from app.application import YoloqatApp
from app.backend.local import LocalBackend
from app.importing.import_logs import import_logs
from app.runs.reader import get_detail
from app.screens.run import RunScreen
from engine.contracts.run_folder import Workspace
from tests.app.cli.conftest import Cli
from tests.app.tui.fakes import screen_text, until
from tests.engine.logs.printed import HEADER, TRACEBACK, VALIDATION, bar, log, metrics, row

NASTY = "[b]x[/][@click=app.quit]y[/z]\x1b]0;title\x07\x1b[2J\x9b\u202e\x08\x1b[6n\x1bc"
SHOWN = "[b]x[/][@click=app.quit]y[/z]"
LOG = log(
    f"Namespace(weights='{NASTY}', epochs=3)",
    f"hyperparameters: lr0=0.01, {NASTY}=1",
    f"WARNING: {NASTY}",
    "Model Summary: 415 layers, 37201950 parameters, 37201950 gradients, 105.1 GFLOPS",
    HEADER,
    f"{row(0)}: {bar(3, 3)}",
    f"{VALIDATION}: {bar(2, 2)}",
    metrics("all", 0.5, 0.4, 0.3, 0.2),
    metrics(NASTY, 0.5, 0.4, 0.3, 0.2),
    f"Validating {NASTY}/best.pt...",
    f"{VALIDATION}: {bar(2, 2)}",
    metrics("all", 0.5, 0.4, 0.3, 0.25),
    metrics(NASTY, 0.5, 0.4, 0.3, 0.2),
    TRACEBACK,
    f"ValueError: {NASTY}",
    NASTY,
)
FILE = "train [b]x\x1b]0;t\x07.log"


def is_harmless(text: str) -> bool:
    """Whether nothing but lines and letters is in a text."""
    return all(line.isprintable() for line in text.splitlines())


def test_what_the_commands_print(cli: Cli) -> None:
    path = cli.directory / FILE
    path.write_bytes(LOG)
    name = "[b]hostile"
    printed = {}
    for command in (
        ("import", "--name", name, str(path)),
        ("ls",),
        ("show", name),
        ("compare", name, name),
        ("log", name),
    ):
        done = cli(*command)
        assert done.code == 0
        assert is_harmless(done.out + done.err), command
        printed[command[0]] = done.out
    assert SHOWN in printed["show"]
    assert f"WARNING: {SHOWN}" in printed["log"]
    assert get_detail(cli.workspace, name).run.reason == f"crashed after epoch 0/2: ValueError: {SHOWN}"


async def test_what_the_screen_shows(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.runs.mkdir(parents=True)
    path = tmp_path / FILE
    path.write_bytes(LOG)
    (report,) = import_logs(workspace, [path])
    assert [found.weights for found in get_detail(workspace, report.run_id).evaluations][-1] == f"{SHOWN}/best.pt"
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: app.runs)
        assert f"ValueError: {SHOWN[:5]}" in screen_text(app)
        screen = RunScreen(report.run_id)
        app.push_screen(screen)
        await until(pilot, lambda: f"WARNING: {SHOWN}" in screen_text(app) or "best.pt" in screen_text(app))
        for pane in "12345":
            await pilot.press(pane)
            await pilot.pause()
            assert is_harmless(screen_text(app))
        assert app.is_running
        assert SHOWN in screen_text(app)
