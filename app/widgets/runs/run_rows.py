"""The rows of the runs table: filtering, grouping, and the cells of each. No widget."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.formatting import age, aware, metric, time_left
from app.runs.query.order import Order
from app.widgets.base.columns import Column
from app.widgets.base.glyphs import glyphs
from app.widgets.base.state import LOOKS, long_state, short_state
from app.widgets.base.styled_text import Cell, Span, clean
from app.widgets.base.styled_text import width as cell_width
from app.widgets.charts.bars import bar, sparkline
from app.widgets.run.run_text import epoch_count, fraction
from db.views import RunView
from engine.contracts.states import RunState

NARROW: tuple[Column, ...] = (
    Column("name", "  NAME", minimum=14, fills=True),
    Column("state", "STATE", width=10),
    Column("epoch", "  EPOCH", width=17),
    Column("map", "mAP@.5:.95", width=11, justify="right"),
    Column("trend", "TREND", minimum=8, fills=True, priority=3, is_luxury=True),
    Column("eta", "ETA", width=7, justify="right", priority=2),
    Column("age", "AGE", width=3, justify="right", priority=1),
)
"""Columns below 110 cells."""

WIDE: tuple[Column, ...] = (
    Column("name", "  NAME", minimum=18),
    Column("stage", "STAGE", width=8),
    Column("state", "STATE", minimum=20),
    Column("epoch", "  EPOCH", width=22),
    Column("map", "mAP@.5:.95", width=11, justify="right"),
    Column("trend", "TREND", minimum=8, fills=True),
    Column("eta", "ETA", width=8, justify="right"),
    Column("age", "AGE", width=4, justify="right"),
)

LONGEST_NAME, LONGEST_STATE = 44, 44


@dataclass(frozen=True)
class Entry:
    """One row: a run, or the head of a pipeline whose runs follow it."""

    key: str
    run: RunView | None
    members: tuple[RunView, ...] = ()
    """All runs of a pipeline, in order of its steps, for a head."""
    folded: bool = False
    indented: bool = False


SORT_FIELDS = {
    "name": "name",
    "stage": "stage",
    "state": "state",
    "epoch": "epochs",
    "map": "map",
    "eta": "eta",
    "age": "age",
}
"""Column → the field that it is sorted by."""


def sorted_columns(columns: Sequence[Column], order: Order | None) -> tuple[Column, ...]:
    """Return the columns with a sign in the title of the one that sorts; another field is named beside NAME."""
    if order is None:
        return tuple(columns)
    sign = glyphs().expanded if order.is_descending else glyphs().collapsed
    key = next((key for key, field in SORT_FIELDS.items() if field == order.field.name), "")
    if key not in {column.key for column in columns}:
        key, sign = "name", f" by {order.field.name} {sign}"
    return tuple(
        replace(column, title=f"{column.title}{sign}", short="") if column.key == key else column for column in columns
    )


def arrange(
    runs: Sequence[RunView],
    matches: Callable[[RunView], bool] | None,
    folded: Collection[str],
    order: Order | None = None,
) -> tuple[Entry, ...]:
    """Return the rows, newest first; a pipeline's runs stay together, in the order of their launch.

    Args:
        matches: whether a run is shown; None for all.
        folded: groups whose runs are folded away.
        order: sorts the runs alone, without heads of pipelines.
    """
    if order is not None:
        return tuple(Entry(run.id, run) for run in order.sorted(run for run in runs if matches is None or matches(run)))
    groups: dict[str, list[RunView]] = {}
    for run in runs:
        groups.setdefault(run.group or f"run:{run.id}", []).append(run)
    blocks = sorted(groups.items(), key=lambda item: max(aware(r.created_at) for r in item[1]), reverse=True)
    entries: list[Entry] = []
    for group, members in blocks:
        shown = [run for run in members if matches is None or matches(run)]
        if not shown:
            continue
        if group.startswith("run:"):
            entries.append(Entry(shown[0].id, shown[0]))
            continue
        ordered = sorted(members, key=lambda run: (aware(run.created_at), run.id))
        is_folded = group in folded and matches is None
        entries.append(Entry(f"group:{group}", None, tuple(ordered), folded=is_folded))
        if not is_folded:
            entries.extend(Entry(run.id, run, indented=True) for run in ordered if run in shown)
    return tuple(entries)


def natural_widths(entries: Sequence[Entry], wide: bool) -> dict[str, int]:
    """Return the widths that names and states need, without formatting any cell."""
    names = [_name_width(entry) for entry in entries]
    if not wide:
        return {"name": min(LONGEST_NAME, max(names, default=0))}
    states = [cell_width(long_state(entry.run)) for entry in entries if entry.run is not None and entry.run.reason]
    return {
        "name": min(LONGEST_NAME, max(names, default=0)),
        "state": min(LONGEST_STATE, max(states, default=0)),
    }


def _name_width(entry: Entry) -> int:
    if entry.run is None:
        return len(entry.members[0].group or "") + 4
    return (
        len((entry.run.step if entry.indented and entry.run.step else None) or entry.run.name) + 2 + 2 * entry.indented
    )


def cells(
    entry: Entry, columns: Sequence[Column], marked: Collection[str], now: datetime, trend: int = 8
) -> list[Cell]:
    """Return the cells of one row.

    Args:
        trend: width of the trend column.
    """
    wide = any(column.key == "stage" for column in columns)
    if entry.run is not None:
        by_key = _run_cells(entry, entry.run, marked, now, wide)
        by_key["trend"] = ((sparkline(entry.run.map_curve, trend), "accent" if entry.run.state.is_live else "muted"),)
    else:
        by_key = _head_cells(entry, marked, now)
    return [by_key.get(column.key, "") for column in columns]


def _selection_sign(is_marked: bool) -> Span:
    return (f"{glyphs().marked} ", "accent") if is_marked else ("  ", "")


def _run_cells(entry: Entry, run: RunView, marked: Collection[str], now: datetime, wide: bool) -> dict[str, Cell]:
    indent = "  " if entry.indented else ""
    name = run.step if entry.indented and run.step else run.name
    return {
        "name": (_selection_sign(run.id in marked), (f"{indent}{clean(name)}", "")),
        "stage": ((clean(run.stage), "muted"),),
        "state": long_state(run) if wide else short_state(run),
        "epoch": _epoch(run, 22 if wide else 17),
        "map": _best(run),
        "eta": time_left(run.eta_seconds) if run.state.is_live and run.eta_seconds is not None else "",
        "age": ((age(run.started_at or run.created_at, now), "muted"),),
    }


def _epoch(run: RunView, columns: int) -> Cell:
    count = epoch_count(run)
    if not run.state.is_live or run.state is RunState.QUEUED:
        return ((count.rjust(7), "muted"),) if count else ""
    if not count and run.progress is not None:
        count = run.progress.phase[:9]
    done = fraction(run)
    head = count.rjust(7) if "/" in count else count.ljust(7)
    if done is None:
        return head
    room = columns - len(head) - 6
    return ((f"{head} ", ""), *bar(done, room), (f" {done * 100:3.0f}%", ""))


def _best(run: RunView) -> Cell:
    if run.best_map is None:
        return ""
    epoch = f" e{run.best_epoch}" if run.best_epoch is not None else ""
    return ((clean(metric(run.best_map)), "strong"), (epoch.ljust(5) if epoch else " " * 5, "muted"))


def group_state(members: Sequence[RunView]) -> tuple[Span, ...]:
    """Return one state for a pipeline: a running step's, else succeeded, a failed step's, or queued."""
    for state in (RunState.RUNNING, RunState.STARTING):
        for run in members:
            if run.state is state:
                return short_state(run)
    if all(run.state is RunState.SUCCEEDED for run in members):
        return short_state(members[0])
    wrong = [r for r in members if not r.state.is_live and r.state is not RunState.SUCCEEDED]
    blocked_last = sorted(wrong, key=lambda r: r.state is RunState.DEPENDENCY_FAILED)
    if blocked_last:
        return short_state(blocked_last[0])
    queued = LOOKS[RunState.QUEUED]
    return ((f"{queued.sign} {queued.word}", queued.tone),)


def _head_cells(entry: Entry, marked: Collection[str], now: datetime) -> dict[str, Cell]:
    members, sign = entry.members, glyphs()
    done = sum(run.state is RunState.SUCCEEDED for run in members)
    title = clean(members[0].group or "pipeline")
    last = next((run for run in reversed(members) if run.best_map is not None), None)
    return {
        "name": (
            _selection_sign(all(run.id in marked for run in members)),
            (f"{sign.collapsed if entry.folded else sign.expanded} ", "muted"),
            (title, "title"),
        ),
        "stage": (("pipeline", "muted"),),
        "state": group_state(members),
        "epoch": ((f"{done}/{len(members)}".rjust(7), "muted"), (" steps", "muted")),
        "map": _best(last) if entry.folded and last is not None else "",
        "age": ((age(min(aware(r.created_at) for r in members), now), "muted"),),
    }
