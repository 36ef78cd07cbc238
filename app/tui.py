"""`yoloqat-tui`: the experiment manager on the screen."""

import argparse
import sys
from collections.abc import Sequence

from engine.contracts.errors import YoloqatError


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="yoloqat-tui",
        description="Launch, watch, stop and compare YOLOv7 quantization runs. Runs go on when the screen is closed.",
        epilog="The same from the shell: yoloqat --help.",
    )
    made.add_argument(
        "--workspace",
        metavar="DIR",
        help="folder of the runs and their index (default: $YOLOQAT_WORKSPACE, else one per user)",
    )
    made.add_argument(
        "--demo",
        action="store_true",
        help="retrain, calibrate, fine-tune, export and evaluate a small model on data drawn here, and watch it; "
        "without a terminal it prints the table, as `yoloqat demo` does",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code: 0, or 2 for bad input."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.demo and not sys.stdout.isatty():
            return _demo_without_screen(arguments.workspace)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise YoloqatError("yoloqat-tui needs a terminal", hint="Without one, use the command `yoloqat`.")
        return _screen(arguments.workspace, arguments.demo)
    except YoloqatError as error:
        print(f"yoloqat-tui: {error}", file=sys.stderr)
        return error.exit_code


def _screen(workspace: str | None, demo: bool) -> int:
    from app.application import YoloqatApp
    from app.backend.local import LocalBackend

    app = YoloqatApp(lambda: LocalBackend.open(workspace), demo=demo)
    app.run()
    if app.farewell:
        print(app.farewell)
    return app.return_code or 0


def _demo_without_screen(workspace: str | None) -> int:
    from app.cli.main import main as command

    return command([*(["--workspace", workspace] if workspace else []), "demo"])


if __name__ == "__main__":
    sys.exit(main())
