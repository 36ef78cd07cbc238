"""Where a bar stands."""

from collections.abc import Mapping
from typing import Any

from engine.contracts.facts import Progress
from engine.logs.builder_state import State
from engine.logs.lexer.tokens import EpochBar, OtherBar, Token, ValidationBar
from engine.logs.lexer.tqdm_bars import BarText

Place = tuple[str, BarText, int | None, int | None, Mapping[str, str]]
"""Arguments of `progress_of_bar`."""


def place_of(token: Token, state: State) -> Place | None:
    """What is known of a bar that tells how far it is; None of any other token."""
    if not isinstance(token, EpochBar | ValidationBar | OtherBar):
        return None
    bar = token.bar
    if bar is None or bar.done is None or bar.total is None:
        return None
    if isinstance(token, EpochBar):
        return "train", bar, token.epoch, token.last_epoch, token.values
    if isinstance(token, OtherBar):
        return token.phase, bar, None, None, {}
    if state.completed or state.announced or state.epoch is None:
        return "val", bar, None, None, {}
    return "val", bar, state.epoch, state.last_epoch, {}


def progress_of_bar(
    phase: str,
    bar: BarText,
    epoch: int | None = None,
    last_epoch: int | None = None,
    values: Mapping[str, str] | None = None,
) -> Progress | None:
    """A bar as progress; None when it does not tell how far it is."""
    if bar.done is None or bar.total is None:
        return None
    return Progress(
        phase=phase,
        done=bar.done,
        total=bar.total,
        epoch=epoch,
        last_epoch=last_epoch,
        elapsed_seconds=bar.elapsed_seconds,
        remaining_seconds=bar.remaining_seconds,
        rate=bar.rate,
        values=dict(values or {}),
    )


def progress_fields(progress: Progress | None) -> dict[str, Any] | None:
    """A progress as plain data."""
    if progress is None:
        return None
    fields = {name: getattr(progress, name) for name in Progress.__slots__}
    return fields | {"values": dict(progress.values)}
