"""The epochs of a run, as the log prints them."""

from collections.abc import Iterable, Sequence

from textual.message import Message

from app.comparing.metric_sources import Sources
from app.widgets.base.columns import Column
from app.widgets.base.glyphs import glyphs
from app.widgets.base.grid import Grid
from app.widgets.base.styled_text import Cell, clean, width
from app.widgets.run.epoch_totals import EpochTotals
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
"""Pairs of log name and short title."""

FIRST_TO_HIDE = ("gpu_mem", "labels", "img_size")
"""Columns hidden before the losses when the table is too narrow, the last one first."""

LIVE = "live"
"""Key of the row of the running epoch."""

_LOSSES = ("box", "obj", "cls", "total")
_NO_FILE = Sources((), frozenset(), has_exceptions=False)


def columns(names: Sequence[tuple[str, str]], metric_sources: Sources = _NO_FILE) -> tuple[Column, ...]:
    """Return the columns of a table; mark those whose numbers come from a results file.

    Args:
        names: pairs of log name and short title.
        metric_sources: which numbers come from files instead of the log.
    """
    losses = [name for name, _ in names if is_loss(name) and name != "total"]
    priority = {name: index + 1 for index, name in enumerate((*losses, *FIRST_TO_HIDE))}
    source_signs = {name: glyphs().stored if name in metric_sources.columns else "" for name, _ in names}
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


def shown_names(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of log name and short title: those of YOLOv7, with the losses among the names of a trainer."""
    losses = loss_names(names)
    if set(losses) <= set(_LOSSES):
        return LOG_COLUMNS
    own = [(name, name.removesuffix("_loss")) for name in losses]
    first, *rest = [(name, short) for name, short in LOG_COLUMNS if name not in _LOSSES]
    return (first, *own, *rest)


def epoch_cells(
    epoch: EpochView, is_best: bool, names: Sequence[tuple[str, str]] = LOG_COLUMNS, metric_sources: Sources = _NO_FILE
) -> list[Cell]:
    """Return the cells of one epoch, with the digits as printed: nothing is rounded."""
    tone = "best" if is_best else ""
    values: list[Cell] = []
    for name, _ in names:
        number = epoch.values.get(name)
        if number is None:
            values.append(((glyphs().dash, "faint"),))
            continue
        source_sign = ((glyphs().printed, "muted"),) if metric_sources.is_exception(name, number) else ()
        values.append(((clean(number.text), tone if name.startswith("mAP") else ""), *source_sign))
    best_sign: Cell = ((glyphs().best, "best"),) if is_best else " "
    return [best_sign, ((f"{epoch.epoch}/{epoch.last_epoch}", tone),), *values]


def live_cells(progress: Progress, names: Sequence[tuple[str, str]] = LOG_COLUMNS) -> list[Cell]:
    """Return the cells of the running epoch, with the current values of its progress bar."""
    cells: list[Cell] = [
        ((glyphs().states["running"], "accent"),),
        ((f"{progress.epoch}/{progress.last_epoch}", "accent"),),
    ]
    for name, _ in names:
        text = progress.values.get(name, "")
        cells.append(((clean(text), "accent"),) if text else ((glyphs().dash, "faint"),))
    return cells


class EpochTable(Grid):
    """Epoch rows with the best one marked; a cursor on the last row follows new rows."""

    class NotesChanged(Message):
        """The legend or the list of hidden columns has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(columns(LOG_COLUMNS), id=id)
        self.legend = ""
        """Explains the source signs: which files the numbers that are not from the log come from."""
        self.empty = (("No epochs yet.", "muted"),)
        self._totals = EpochTotals()
        self._names: tuple[tuple[str, str], ...] = LOG_COLUMNS
        self._sources = _NO_FILE
        self._epoch_keys: list[str] = []
        self._index_of: dict[str, int] = {}
        self._widths: dict[str, int] = {}
        """Column → the width of its widest cell."""

    def show(self, detail: RunDetail, run: RunView) -> None:
        """Show the epochs of a run; `run` may be newer than the detail."""
        before = (self._names, self._sources)
        kept = self._totals.update(detail.epochs)
        progress = detail.run.progress
        self._names = shown_names({*self._totals.names, *(progress.values if progress is not None else ())})
        self._sources = self._totals.sources([name for name, _ in self._names])
        self.set_columns(columns(self._names, self._sources))
        if (self._names, self._sources) != before:
            kept, self._widths = 0, {}
        self._take(kept)
        self._place(_live_progress(run, detail.epochs))
        self.empty = ((_why_empty(run), "muted"),)
        self.legend = self._sources.legend(glyphs().stored, glyphs().printed)
        self.placement_changed()

    def _take(self, kept: int) -> None:
        """Key and measure the epochs after the first `kept` ones."""
        for key in self._epoch_keys[kept:]:
            del self._index_of[key]
        del self._epoch_keys[kept:]
        for number, epoch in enumerate(self._totals.epochs[kept:], start=kept):
            key = f"{epoch.attempt}:{epoch.epoch}"
            self._epoch_keys.append(key)
            self._index_of[key] = number
            self._measure_cells(self._widths, self._epoch_cells(epoch))

    def _place(self, progress: Progress | None) -> None:
        """Give the rows to the grid, with one for the running epoch if there is progress."""
        keys, widths = list(self._epoch_keys), dict(self._widths)
        live: list[Cell] = []
        if progress is not None:
            keys.append(LIVE)
            live = live_cells(progress, self._names)
            self._measure_cells(widths, live)
        at_end = not self.keys or self.cursor == len(self.keys) - 1
        self.set_rows(
            keys,
            lambda key: live if key == LIVE else self._epoch_cells(self._totals.epochs[self._index_of[key]]),
            widths,
        )
        if at_end:
            self.cursor = len(keys) - 1

    def _epoch_cells(self, epoch: EpochView) -> list[Cell]:
        return epoch_cells(epoch, epoch is self._totals.best, self._names, self._sources)

    def _measure_cells(self, widths: dict[str, int], cells: Sequence[Cell]) -> None:
        for column, cell in zip(self._columns, cells, strict=True):
            if column.width is None:
                widths[column.key] = max(widths.get(column.key, 0), width(cell))

    def placement_changed(self) -> None:
        """Write the legend and the hidden columns into the border; another width hides other columns."""
        hidden = ", ".join(title.removesuffix(glyphs().stored) for title in reversed(self.placement.hidden))
        notes = (self.legend, f"no room for {hidden}" if hidden else "")
        subtitle = f" {glyphs().dot} ".join(note for note in notes if note)
        if subtitle != self.border_subtitle:
            self.border_subtitle = subtitle
            self.post_message(self.NotesChanged())


def _live_progress(run: RunView, epochs: Sequence[EpochView]) -> Progress | None:
    """Return the progress of the running epoch, if it is trained and has no row of its own yet."""
    progress = run.progress
    if not run.state.is_live or progress is None or progress.epoch is None or progress.phase != "train":
        return None
    return progress if not epochs or progress.epoch > epochs[-1].epoch else None


def _why_empty(run: RunView) -> str:
    if run.state.is_live:
        return "No epochs yet."
    return "This stage has no epochs." if run.epochs_total is None else "The run ended before its first epoch."
