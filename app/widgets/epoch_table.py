"""The epochs of a run, as the log prints them."""

from app.widgets.columns import Column
from app.widgets.glyphs import glyphs
from app.widgets.grid import Grid
from app.widgets.run_text import best_epoch
from app.widgets.spans import Cell, clean
from db.views import EpochView, ProgressView, RunDetail, RunView

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

LEAST_WANTED = ("box", "obj", "cls", "gpu_mem", "labels", "img_size")
"""What goes when there is no room, the last one first."""

COLUMNS: tuple[Column, ...] = (
    Column("best", "", width=1),
    Column("epoch", "Epoch", justify="right"),
    *(
        Column(
            name,
            name,
            short=short,
            justify="right",
            priority=LEAST_WANTED.index(name) + 1 if name in LEAST_WANTED else 0,
        )
        for name, short in LOG_COLUMNS
    ),
)

LIVE = "live"
"""Key of the row of the epoch that is at work."""


def epoch_cells(epoch: EpochView, is_best: bool) -> list[Cell]:
    """One epoch's cells: printed digits, nothing rounded."""
    tone = "best" if is_best else ""
    values: list[Cell] = []
    for name, _ in LOG_COLUMNS:
        number = epoch.values.get(name)
        text = clean(number.text) if number is not None else glyphs().dash
        values.append(((text, tone if name.startswith("mAP") and is_best else "" if number is not None else "faint"),))
    mark: Cell = ((glyphs().best, "best"),) if is_best else " "
    return [mark, ((f"{epoch.epoch}/{epoch.last_epoch}", tone),), *values]


def live_cells(progress: ProgressView) -> list[Cell]:
    """The epoch at work, with the running values of its bar."""
    cells: list[Cell] = [
        ((glyphs().states["running"], "accent"),),
        ((f"{progress.epoch}/{progress.last_epoch}", "accent"),),
    ]
    for name, _ in LOG_COLUMNS:
        text = progress.values.get(name, "")
        cells.append(((clean(text), "accent"),) if text else ((glyphs().dash, "faint"),))
    return cells


class EpochTable(Grid):
    """Epoch rows; the best is marked, and the cursor stays at the end when it is there."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, id=id)
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
        rows = {f"{e.attempt}:{e.epoch}": epoch_cells(e, e is best) for e in detail.epochs}
        if has_live and progress is not None:
            rows[LIVE] = live_cells(progress)
        at_end = not self.keys or self.cursor == len(self.keys) - 1
        self.empty = ((_why_empty(run), "muted"),)
        self.set_rows(list(rows), rows.__getitem__)
        if at_end:
            self.cursor = len(rows) - 1
        hidden = ", ".join(reversed(self.placement.hidden))
        self.border_subtitle = f"no room for {hidden}" if hidden else ""


def _why_empty(run: RunView) -> str:
    if run.state.is_live:
        return "No epochs yet."
    return "This stage has no epochs." if run.epochs_total is None else "It ended before its first epoch did."
