"""Progress bars and sparklines as one line of text."""

import math
from collections.abc import Sequence

from app.widgets.base.glyphs import glyphs
from app.widgets.base.styled_text import Span


def bar(fraction: float, columns: int, tone: str = "accent") -> tuple[Span, ...]:
    """Return a bar of `columns` cells. Done and left differ in weight, not in colour alone."""
    sign = glyphs()
    share = min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0
    halves = int(share * columns * 2)
    full, half = divmod(halves, 2)
    done = sign.bar_done * full + (sign.bar_edge if half and not sign.is_ascii else "")
    return ((done, tone), (sign.bar_left * (columns - len(done)), "faint"))


def sparkline(values: Sequence[float], columns: int) -> str:
    """Return the trend of `values` in at most `columns` cells, newest at the right.

    Each cell shows the last value of its stretch; the scale runs from the lowest to the highest value.
    A flat line stays at mid height, so that it doesn't look like a bottom.
    """
    levels = glyphs().spark
    finite = [v for v in values if math.isfinite(v)]
    if not finite or columns <= 0:
        return ""
    count = min(columns, len(finite))
    chosen = [finite[(i + 1) * len(finite) // count - 1] for i in range(count)]
    low, high = min(chosen), max(chosen)
    if high <= low:
        return levels[len(levels) // 2] * count
    return "".join(levels[round((v - low) / (high - low) * (len(levels) - 1))] for v in chosen)
