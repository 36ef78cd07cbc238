"""`yoloqat ls`"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from app.backend.interface import RunReader
from app.cli.output import coloured, print_json, say_lag, say_workspace, table
from app.cli.reason_column import table_with_reasons
from app.formatting import ABSENT, age, metric, outside_lease, short_outcome, time_left
from db.views import RunView
from engine.contracts.states import RunState

Listed = TypeVar("Listed", bound=RunView)
HEADERS = ("NAME", "STAGE", "STATE", "EPOCH", "mAP@.5:.95", "ETA", "AGE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "filter",
        nargs="*",
        help="list only runs that match: 'map>0.48 state:failed tag:relu not:tiny' (docs/find-runs.md)",
    )
    parser.add_argument("-a", "--all", action="store_true", help="list archived runs, too")
    parser.add_argument("--sort", metavar="FIELD", help="sort by a field; descending with a minus: --sort=-map")
    parser.add_argument("--columns", metavar="FIELD,…", help="show these fields: name,map,map50,cfg.lr0,tag,duration")
    parser.add_argument("--json", action="store_true", help="print everything about every run as JSON")


def call(arguments: argparse.Namespace) -> int:
    """List the runs, newest first; the runs of a pipeline stay together, in the order of its steps."""
    from app.backend.local import LocalBackend

    local = LocalBackend.open(arguments.workspace)
    say_workspace(local.workspace)
    backend: RunReader = local
    say_lag(backend.refresh())
    selection = _Selection(arguments, backend)
    if arguments.json:
        document = backend.runs_document(archived=arguments.all)
        print_json(replace(document, runs=tuple(selection.of(document.runs))))
        return 0
    runs = selection.of([run for run in backend.changes().runs if arguments.all or not run.archived])
    if not runs:
        print("no run matches the filter" if arguments.filter else "no runs yet")
    elif selection.columns:
        headers = [field.name for field in selection.columns]
        numbers = [at for at, field in enumerate(selection.columns) if field.is_number]
        print(table(headers, [[field.cell(run) for field in selection.columns] for run in runs], right=numbers))
    else:
        rows, reasons = [_row(run) for run in runs], [run.reason for run in runs]
        lines = table_with_reasons(HEADERS, rows, reasons, right=(3, 4, 5, 6)).splitlines()
        alarms = (outside_lease(run.gpus_outside_lease) for run in runs)
        print("\n".join([lines[0], *map(coloured, lines[1:], (run.state for run in runs), alarms)]))
    return 0


class _Selection:
    """Which runs are listed, in which order, with which columns."""

    def __init__(self, arguments: argparse.Namespace, backend: RunReader) -> None:
        """Parse the options.

        Raises:
            YoloqatError: a field does not exist, or the filter cannot be understood.
        """
        from app.runs.query.fields import find_field
        from app.runs.query.filter import parse_filter
        from app.runs.query.order import Order

        self._filter = parse_filter(" ".join(arguments.filter), backend)
        name = arguments.sort or ""
        self._order = Order(find_field(name.removeprefix("-"), backend), name.startswith("-")) if name else None
        names = [name.strip() for name in (arguments.columns or "").split(",") if name.strip()]
        self.columns = [find_field(name, backend) for name in names]

    def of(self, runs: Sequence[Listed]) -> list[Listed]:
        """Return the runs to list."""
        matching = [run for run in runs if self._filter.matches(run)]
        return in_groups(matching) if self._order is None else self._order.sorted(matching)


def in_groups(runs: Sequence[Listed]) -> list[Listed]:
    """Sort the runs newest first, keeping a group together at the place of its newest run."""
    newest: dict[str, tuple[float, str]] = {}
    for run in runs:
        key = run.group or run.id
        newest[key] = max(newest.get(key, (0.0, "")), (run.created_at.timestamp(), run.id))
    inside = sorted(runs, key=lambda run: (run.created_at.timestamp(), run.id))
    return sorted(inside, key=lambda run: newest[run.group or run.id], reverse=True)


def state_text(run: RunView) -> str:
    """Return the state with what qualifies it: `running, stalled`, `ended, handed to tmux 812`."""
    parts = [run.state.value]
    marks = {"stopping": run.stopping, "suspended": run.suspended, "stalled": run.stalled}
    parts += [mark for mark, holds in marks.items() if holds][:1]
    if run.handed_to:
        parts.append(f"handed to {run.handed_to}")
    if run.gpus_outside_lease:
        parts.append(outside_lease(run.gpus_outside_lease))
    return ", ".join(parts)


def progress_text(run: RunView) -> str:
    """Return `7/10` epochs, else `12/26` of the current progress bar; `–` when there is neither."""
    if run.epochs_total:
        return f"{run.epochs_done or 0}/{run.epochs_total}"
    if run.state.is_live and run.progress is not None:
        return f"{run.progress.done}/{run.progress.total}"
    return ABSENT


def _state(run: RunView) -> str:
    """Return the state, or for an imported or watched run that has ended how its log ended: `cut off`."""
    outcome = short_outcome(run.reason) if run.state is RunState.ENDED else ""
    return outcome if outcome and not run.gpus_outside_lease else state_text(run)


def _row(run: RunView) -> list[str]:
    eta = time_left(run.eta_seconds) if run.state.is_live else ABSENT
    return [
        run.name,
        run.stage,
        _state(run),
        progress_text(run),
        metric(run.best_map),
        eta,
        age(run.created_at),
    ]
