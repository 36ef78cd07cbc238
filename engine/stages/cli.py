"""The command line of the stages."""

import argparse
import gc
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.contracts.options.arguments import add_arguments, from_namespace
from engine.contracts.options.base import StageOptions
from engine.contracts.result import StageResult
from engine.contracts.stages import STAGES
from engine.stages.session import Interrupted, Session

Run = Callable[[StageOptions, Session], StageResult]
"""What each stage module has as `run`."""

EXIT_FAILED = 1


def build_parser() -> argparse.ArgumentParser:
    """One subcommand per stage, its options from its model in `engine.contracts.options`."""
    parser = argparse.ArgumentParser(prog="python -P -m engine", description="The stages of yoloqat.")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for info in STAGES.values():
        sub = stages.add_parser(info.name, help=info.summary, description=info.summary)
        sub.add_argument("--run-dir", type=Path, default=Path(), help="folder for weights, export and result.json")
        add_arguments(sub, info.options)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage; the exit code: 0, 1 failed, 2 bad input, 128+n stopped by signal n."""
    namespace = build_parser().parse_args(argv)
    info = STAGES[namespace.stage]
    try:
        options = from_namespace(info.options, namespace)
        with Session(info.name, namespace.run_dir, options) as session:
            # Imported here: torch takes seconds, --help needs none of it, and a stop meanwhile is a stop.
            run: Run = importlib.import_module(f"engine.stages.{info.name}").run
            run(options, session)
        return 0
    except YoloqatError as error:
        return _say(str(error), error.exit_code)
    except Interrupted as stop:
        return _say(f"Stopped by {stop.signal_name}; what was saved stays.", 128 + stop.signal_number)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _say(f"{type(error).__name__}: {error}\n  Use a smaller --batch-size or --img-size.", EXIT_FAILED)
    finally:
        # Python looks for garbage among all objects before it exits, for a third of a second where torch is loaded.
        gc.freeze()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _say(text: str, code: int) -> int:
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)
    return code
