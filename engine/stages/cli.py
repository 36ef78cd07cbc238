"""The command line of the stages: `python -m engine STAGE`."""

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
"""The type of `run`, which each stage module defines."""

EXIT_FAILED = 1


def build_parser() -> argparse.ArgumentParser:
    """Build one subcommand per stage, with the options of its model in `engine.contracts.options`."""
    parser = argparse.ArgumentParser(prog="python -P -m engine", description="The stages of yoloqat.")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for info in STAGES.values():
        sub = stages.add_parser(info.name, help=info.summary, description=info.summary)
        sub.add_argument("--run-dir", type=Path, default=Path(), help="folder for weights, export and result.json")
        add_arguments(sub, info.options)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage.

    Returns:
        The exit code: 0, 1 failed, 2 bad input, 128+n stopped by signal n.
    """
    namespace = build_parser().parse_args(argv)
    info = STAGES[namespace.stage]
    try:
        options = from_namespace(info.options, namespace)
        with Session(info.name, namespace.run_dir, options) as session:
            # Imported here: torch takes seconds, --help does not need it, and the session already handles stop signals.
            run: Run = importlib.import_module(f"engine.stages.{info.name}").run
            run(options, session)
        return 0
    except YoloqatError as error:
        return _fail(str(error), error.exit_code)
    except Interrupted as stop:
        return _fail(f"Stopped by {stop.signal_name}; saved files are kept.", 128 + stop.signal_number)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _fail(f"{type(error).__name__}: {error}\n  Use a smaller --batch-size or --img-size.", EXIT_FAILED)
    finally:
        # Skip the garbage collection at exit, which takes a third of a second when torch is loaded.
        gc.freeze()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _fail(text: str, code: int) -> int:
    """Print to stderr, after all of stdout, and return the exit code."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)
    return code
