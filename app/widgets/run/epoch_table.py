"""The epochs of a run, as the log prints them."""

from collections.abc import Sequence

from app.comparing.metric_sources import Sources, sources
from app.widgets.base.columns import Column
from app.widgets.base.glyphs import glyphs
from app.widgets.base.grid import Grid
from app.widgets.base.styled_text import Cell, clean
from app.widgets.run.run_text import best_epoch
from db.views import EpochView, RunDetail, RunView
from engine.contracts.facts import Progress
from engine.logs.loss_names import is_loss, loss_names

LOG_COLUMNS = (
    ("gpu_mem", "mem"),
    ("box", "box"),
    ("obj", "obj"),
    ("cls", "cls"),
    ("total", "total"),
    ("labels", "lab"),
    ("img_size", "img"),
    ("P", "P"),
    ("R", "R"),
    ("mAP@.5", "mAP.5"),
    ("mAP@.5:.95", "mAP"),
)
"""Names of the log and their short forms."""

LEAST_WANTED = ("gpu_mem", "labels", "img_size")
"""What goes before the losses do when there is no room, the last one first."""

LIVE = "live"
"""Key of the row of the epoch that is at work."""

_LOSSES = ("box", "obj", "cls", "total")
_NO_FILE = Sources((), frozenset(), has_exceptions=False)


def columns(names: Sequence[tuple[str, str]], told: Sources = _NO_FILE) -> tuple[Column, ...]:
    """The columns of a table; those whose numbers come from a file of results are marked.

    Args:
        names: of the log, and their short forms.
    """
    losses = [name for name, _ in names if is_loss(name) and name != "total"]
    priority = {name: at + 1 for at, name in enumerate((*losses, *LEAST_WANTED))}
    source_signs = {name: glyphs().stored if name in told.columns else "" for name, _ in names}
    return (
        Column("best", "", width=1),
        Column("epoch", "Epoch", justify="right"),
        *(
            Column(
                name,
                clean(name) + source_signs[name],
                short=clean(short) + source_signs[name],
                justify="right",
                priority=priority.get(name, 0),
            )
            for name, short in names
        ),
    )


def shown_names(detail: RunDetail) -> tuple[tuple[str, str], ...]:
    """Names of the log and their short forms: YOLOv7's, with the losses that this trainer prints instead of its own."""
    values = detail.run.progress.values if detail.run.progress is not None else {}
    losses = loss_names({*values, *(name for epoch in detail.epochs for name in epoch.values)})
    if set(losses) <= set(_LOSSES):
        return LOG_COLUMNS
    own = [(name, name.removesuffix("_loss")) for name in losses]
    first, *rest = [(name, short) for name, short in LOG_COLUMNS if name not in _LOSSES]
    return (first, *own, *rest)


def epoch_cells(
    epoch: EpochView, is_best: bool, names: Sequence[tuple[str, str]] = LOG_COLUMNS, told: Sources = _NO_FILE
) -> list[Cell]:
    """One epoch's cells: printed digits, nothing rounded."""
    tone = "best" if is_best else ""
    values: list[Cell] = []
    for name, _ in names:
        number = epoch.values.get(name)
        if number is None:
            values.append(((glyphs().dash, "faint"),))
            continue
        source_sign = ((glyphs().printed, "muted"),) if told.is_exception(name, number) else ()
        values.append(((clean(number.text), tone if name.startswith("mAP") else ""), *source_sign))
    best_sign: Cell = ((glyphs().best, "best"),) if is_best else " "
    return [best_sign, ((f"{epoch.epoch}/{epoch.last_epoch}", tone),), *values]


def live_cells(progress: Progress, names: Sequence[tuple[str, str]] = LOG_COLUMNS) -> list[Cell]:
    """The epoch at work, with the running values of its bar."""
    cells: list[Cell] = [
        ((glyphs().states["running"], "accent"),),
        ((f"{progress.epoch}/{progress.last_epoch}", "accent"),),
    ]
    for name, _ in names:
        text = progress.values.get(name, "")
        cells.append(((clean(text), "accent"),) if text else ((glyphs().dash, "faint"),))
    return cells


class EpochTable(Grid):
    """Epoch rows; the best is marked, and the cursor stays at the end when it is there."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(columns(LOG_COLUMNS), id=id)
        self.legend = ""
        """What the marks mean: where numbers come from that are not the log's."""
        self.empty = (("No epochs yet.", "muted"),)

    def show(self, detail: RunDetail, run: RunView) -> None:
        """Show the epochs of a run; `run` may be newer than the detail."""
        progress = run.progress
        has_live = (
            run.state.is_live
            and progress is not None
            and progress.epoch is not None
            and progress.phase == "train"
            and (not detail.epochs or progress.epoch > detail.epochs[-1].epoch)
        )
        best = best_epoch(detail.epochs)
        names = shown_names(detail)
        told = sources(detail.epochs, [name for name, _ in names])
        self.set_columns(columns(names, told))
        rows = {f"{e.attempt}:{e.epoch}": epoch_cells(e, e is best, names, told) for e in detail.epochs}
        if has_live and progress is not None:
            rows[LIVE] = live_cells(progress, names)
        at_end = not self.keys or self.cursor == len(self.keys) - 1
        self.empty = ((_why_empty(run), "muted"),)
        self.set_rows(list(rows), rows.__getitem__)
        if at_end:
            self.cursor = len(rows) - 1
        hidden = ", ".join(title.removesuffix(glyphs().stored) for title in reversed(self.placement.hidden))
        self.legend = told.legend(glyphs().stored, glyphs().printed)
        notes = (self.legend, f"no room for {hidden}" if hidden else "")
        self.border_subtitle = f" {glyphs().dot} ".join(note for note in notes if note)


def _why_empty(run: RunView) -> str:
    if run.state.is_live:
        return "No epochs yet."
    return "This stage has no epochs." if run.epochs_total is None else "It ended before its first epoch did."
