"""The `yoloqat-tui` command: the experiment manager on the screen."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from app.workspace.machine import missing_module, require_proc
from engine.contracts.errors import YoloqatError
from engine.files.standard_streams import open_closed_streams

EXIT_HANGUP = 129
"""The exit code of a process that SIGHUP ended."""
UNUSABLE_TERMINALS = ("dumb", "unknown")
"""Values of TERM for terminals without cursor movement, such as Emacs's shell buffer."""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="yoloqat-tui",
        description="Launch, watch, stop and compare YOLOv7 quantization runs. Runs go on when the screen is closed.",
        epilog="The same from the shell: yoloqat --help.",
    )
    parser.add_argument(
        "--workspace",
        metavar="DIR",
        help="use this workspace (default: $YOLOQAT_WORKSPACE, else one per user)",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="retrain, calibrate, fine-tune, export and evaluate a small model on synthetic data, and "
        "follow it; without a terminal print the table, as `yoloqat demo` does",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 2 for bad input."""
    open_closed_streams()
    arguments = build_parser().parse_args(argv)
    try:
        require_proc()
        if arguments.demo and not sys.stdout.isatty():
            return _run_demo_without_screen(arguments.workspace)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise YoloqatError("yoloqat-tui needs a terminal", hint="Use the command `yoloqat` instead.")
        if os.environ.get("TERM") in UNUSABLE_TERMINALS:
            raise YoloqatError(
                "this terminal cannot move the cursor",
                where=f"TERM={os.environ['TERM']}",
                hint="Use the command `yoloqat`, or set TERM to what the terminal is, for example xterm-256color.",
            )
        return _run_screen(arguments.workspace, arguments.demo)
    except YoloqatError as error:
        print(f"yoloqat-tui: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        failure = missing_module(error)
        if failure is None:
            raise
        print(f"yoloqat-tui: {failure}", file=sys.stderr)
        return YoloqatError.exit_code


def _run_screen(workspace: str | None, demo: bool) -> int:
    from app.application import YoloqatApp
    from app.backend.local import LocalBackend
    from app.terminal.restore import TerminalGuard

    app = YoloqatApp(lambda: LocalBackend.open(workspace), demo=demo)
    with TerminalGuard(app.end) as guard:
        app.lost_terminal = lambda: guard.end(EXIT_HANGUP)
        app.run()
    if app.farewell:
        with contextlib.suppress(OSError):  # the terminal may be lost
            print(app.farewell, flush=True)
    return app.return_code or 0


def _run_demo_without_screen(workspace: str | None) -> int:
    from app.cli.main import main as command

    return command([*(["--workspace", workspace] if workspace else []), "demo"])


if __name__ == "__main__":
    sys.exit(main())
