"""`--executor` and `--slurm`: on this machine, or as jobs of a cluster."""

import argparse

from engine.contracts.errors import YoloqatError
from engine.contracts.slurm import Executor, SlurmOptions

_WHERE = "--slurm"


def add_slurm(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--executor", choices=["local", "slurm"], help="on this machine, or as a job of Slurm (default: local)"
    )
    group.add_argument(
        "--slurm",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help=f"what to ask Slurm for: {', '.join(SlurmOptions.model_fields)} (extra: any option of sbatch)",
    )


def add_engine_python(parser: argparse._ActionsContainer) -> None:
    """Declare `--engine-python`."""
    parser.add_argument(
        "--engine-python",
        metavar="PATH",
        help="run our stages by this Python and its torch (default: `engine_python` of the settings, else our own)",
    )


def asked_of_slurm(arguments: argparse.Namespace) -> SlurmOptions | None:
    """What a single run asks of Slurm; None for one on this machine.

    Raises:
        YoloqatError: as `chosen_executor`.
    """
    executor, options = chosen_executor(arguments)
    return options if executor == "slurm" else None


def chosen_executor(arguments: argparse.Namespace) -> tuple[Executor | None, SlurmOptions]:
    """The executor, None where nothing is said, and what to ask of Slurm. `--slurm` alone means Slurm.

    Raises:
        YoloqatError: a key or a value cannot be, or Slurm is asked for something and not chosen.
    """
    options = _options(arguments.slurm)
    if arguments.slurm and arguments.executor == "local":
        raise YoloqatError("--slurm needs --executor slurm", where=_WHERE, hint="Leave one of them out.")
    return ("slurm" if arguments.slurm else arguments.executor), options


def _options(texts: list[str]) -> SlurmOptions:
    from pydantic import ValidationError

    from engine.pipelines.check import near

    values: dict[str, object] = {}
    extra: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise YoloqatError(f"{text!r} sets nothing", where=_WHERE, hint="Write --slurm KEY=VALUE.")
        if key not in SlurmOptions.model_fields:
            raise YoloqatError(f"there is no `{key}`{near(key, SlurmOptions.model_fields)}", where=_WHERE)
        if key == "extra":
            extra.append(value)
        else:
            values[key] = int(value) if key in ("cpus", "nodes") and value.isdecimal() else value
    try:
        return SlurmOptions.model_validate({**values, **({"extra": extra} if extra else {})})
    except ValidationError as error:
        first = error.errors()[0]
        raise YoloqatError(f"`{first['loc'][0]}`: {first['msg']}", where=_WHERE) from error
