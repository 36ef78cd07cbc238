"""`--retry`, `--time-limit` and `--start-at`: options of every launch of a single run."""

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.launching.schedule import Schedule


def add_schedule(parser: argparse._ActionsContainer) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--retry",
        metavar="N",
        type=_count,
        default=0,
        help="start up to N more attempts, from the last checkpoint, when the run is killed or fails after an epoch",
    )
    parser.add_argument(
        "--time-limit", metavar="TIME", type=_duration, default=0.0, help="stop it after this run time: 12h, 90m, 1d12h"
    )
    parser.add_argument(
        "--start-at", metavar="TIME", type=_start, help="wait in the queue until 22:00, or '2026-12-24 22:00'"
    )


def chosen_schedule(arguments: argparse.Namespace) -> "Schedule":
    """Return what the options say."""
    from app.launching.schedule import Schedule

    return Schedule(retry=arguments.retry, time_limit=arguments.time_limit, start_at=arguments.start_at)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 100")
    return int(text)


def _duration(text: str) -> float:
    from engine.contracts.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _start(text: str) -> datetime:
    from app.launching.schedule import parse_start

    try:
        return parse_start(text, datetime.now().astimezone())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
