"""`--executor` and `--slurm`: run on this machine, or as a job of a Slurm cluster."""

import argparse

from engine.contracts.errors import YoloqatError
from engine.contracts.slurm import Executor, SlurmOptions

_OPTION = "--slurm"


def add_slurm(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--executor", choices=["local", "slurm"], help="run on this machine, or as a Slurm job (default: local)"
    )
    group.add_argument(
        "--slurm",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help=f"request from Slurm: {', '.join(SlurmOptions.model_fields)} (extra: any sbatch option)",
    )


def add_engine_python(parser: argparse._ActionsContainer) -> None:
    """Declare `--engine-python`."""
    parser.add_argument(
        "--engine-python",
        metavar="PATH",
        help="run stages with this Python and its torch (default: `engine_python` of the settings, else our own)",
    )


def requested_slurm(arguments: argparse.Namespace) -> SlurmOptions | None:
    """Return what a single run requests from Slurm; None for a local run.

    Raises:
        YoloqatError: see `chosen_executor`.
    """
    executor, options = chosen_executor(arguments)
    return options if executor == "slurm" else None


def chosen_executor(arguments: argparse.Namespace) -> tuple[Executor | None, SlurmOptions]:
    """Return the executor, None when no option names one, and the Slurm request. `--slurm` alone implies Slurm.

    Raises:
        YoloqatError: a key or value is invalid, or `--slurm` is combined with `--executor local`.
    """
    options = _parse_slurm(arguments.slurm)
    if arguments.slurm and arguments.executor == "local":
        raise YoloqatError("--slurm needs --executor slurm", where=_OPTION, hint="Leave one of them out.")
    return ("slurm" if arguments.slurm else arguments.executor), options


def _parse_slurm(texts: list[str]) -> SlurmOptions:
    from pydantic import ValidationError

    from engine.pipelines.check import near

    values: dict[str, object] = {}
    extra: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise YoloqatError(f"{text!r} has no `=`", where=_OPTION, hint="Write --slurm KEY=VALUE.")
        if key not in SlurmOptions.model_fields:
            raise YoloqatError(f"unknown key `{key}`{near(key, SlurmOptions.model_fields)}", where=_OPTION)
        if key == "extra":
            extra.append(value)
        else:
            values[key] = int(value) if key in ("cpus", "nodes") and value.isdecimal() else value
    try:
        return SlurmOptions.model_validate({**values, **({"extra": extra} if extra else {})})
    except ValidationError as error:
        first = error.errors()[0]
        raise YoloqatError(f"`{first['loc'][0]}`: {first['msg']}", where=_OPTION) from error
