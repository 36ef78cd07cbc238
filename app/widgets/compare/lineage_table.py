"""The chain of the compared runs with the drop of each step: float, PTQ, QAT, ONNX Q/DQ."""

from collections.abc import Sequence

from app.comparing.comparison import NOISE, ChainStep
from app.formatting import duration, metric, size
from app.widgets.base.columns import Column
from app.widgets.base.glyphs import glyphs
from app.widgets.base.grid import Grid
from app.widgets.base.state import LOOKS
from app.widgets.base.styled_text import Cell, Span, clean
from engine.contracts.states import RunState


def chain_columns(with_noise: bool) -> tuple[Column, ...]:
    """Return the columns: step, metrics, differences in points, and their intervals if `with_noise`."""
    delta = glyphs().delta
    columns = (
        Column("step", "STEP", minimum=20),
        Column("run", "RUN", priority=3),
        Column("map", "mAP@.5:.95", short="mAP", justify="right"),
        Column("parent", f"{delta} parent", justify="right"),
        Column("float", f"{delta} float", justify="right"),
        Column("noise", f"95 % of {delta} float", justify="right", priority=2),
        Column("map50", "mAP@.5", justify="right"),
        Column("speed", "SPEED", justify="right", priority=1),
        Column("size", "SIZE", justify="right", priority=1),
        Column("time", "TIME", justify="right", priority=2),
    )
    return tuple(column for column in columns if with_noise or column.key != "noise")


def chain_cells(step: ChainStep, with_noise: bool) -> list[Cell]:
    """Return the cells of one step, one per column."""
    indent = "  " * (step.depth - 1) + f"{glyphs().branch} " if step.depth else ""
    label: list[Span] = [(indent, "faint"), (clean(step.label), "strong")]
    if step.state is not RunState.SUCCEEDED and step.state is not RunState.ENDED:
        state = LOOKS[step.state]
        label.append((f"  {state.sign} {state.word}", state.tone))
    return [
        tuple(label),
        ((clean(step.run_name), "muted"),),
        ((clean(metric(step.metrics.get("mAP@.5:.95"))), "strong"),),
        difference(clean(step.delta_parent_text()), step.delta_parent),
        difference(clean(step.delta_float_text()), step.delta_float),
        *([((clean(step.noise_float.text if step.noise_float else glyphs().dash), "muted"),)] if with_noise else []),
        clean(metric(step.metrics.get("mAP@.5"))),
        ((_speed(step), "muted"),),
        ((clean(size(step.size_bytes)), "muted"),),
        ((clean(duration(step.seconds)), "muted"),),
    ]


def _speed(step: ChainStep) -> str:
    """Return how much faster than float; milliseconds where it is the float model itself."""
    if step.speed is None:
        return glyphs().dash
    times = step.speed.times
    return f"{step.speed.milliseconds:.1f} ms" if times is None or times == 1 else f"{times:.2f}x"


def difference(text: str, points: float | None) -> Cell:
    """Return a difference in points: more is good, less is bad, noise is neither; the signs say it without colour."""
    if points is None:
        return ((text, "warn" if "eval" in text else "faint"),)
    if text.endswith(NOISE):
        return ((text, "muted"),)
    return ((text, "good" if points > 0 else "bad" if points < 0 else "muted"),)


class LineageTable(Grid):
    """As many lines as the chain has steps; nothing when the runs form none."""

    DEFAULT_CSS = """
    LineageTable { height: auto; display: none; padding: 0 1; border-bottom: solid $panel; }
    LineageTable.-chain { display: block; }
    """

    def __init__(self) -> None:
        super().__init__((), cursor=False)
        self.can_focus = False

    def show(self, steps: Sequence[ChainStep]) -> None:
        """Show a chain."""
        with_noise = any(step.noise_float is not None for step in steps)
        rows = {f"{i}:{step.run_id}": chain_cells(step, with_noise) for i, step in enumerate(steps)}
        self.set_class(bool(rows), "-chain")
        self.styles.height = len(rows) + 2
        self.set_columns(chain_columns(with_noise))
        self.set_rows(list(rows), rows.__getitem__)
