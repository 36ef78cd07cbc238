"""A chart with axes, as lines of text. No widget."""

import math
from dataclasses import dataclass

from app.widgets.base.glyphs import glyphs
from app.widgets.base.styled_text import Cell, Span, width
from app.widgets.charts.braille import Bounds, Canvas, Point


@dataclass(frozen=True)
class Series:
    """One curve."""

    name: str
    points: tuple[Point, ...]
    tone: str
    last: str = ""
    """The newest value, as the legend shows it."""


@dataclass(frozen=True)
class Chart:
    """Curves over a common axis of epochs."""

    title: str
    series: tuple[Series, ...]
    x_last: float | None = None
    """Last planned epoch: the axis extends to it even if the curves are shorter."""
    level: float | None = None
    """Value of a dotted reference line."""
    level_name: str = ""
    empty: str = "no epochs yet"


def draw(chart: Chart, columns: int, rows: int) -> list[Cell]:
    """Return the chart in `rows` lines: title and legend, curves with the scale at their left, epoch axis."""
    head = _legend(chart, columns)
    bounds = _bounds(chart)
    height = rows - 2
    if bounds is None or height < 2 or columns < 16:
        return [head, ((f"  {chart.empty}", "muted"),)] if rows > 1 else [head]
    labels = _labels(bounds, height)
    margin = max(len(text) for text in labels.values())
    canvas = Canvas(columns - margin - 1, height, bounds, ascii_only=glyphs().is_ascii)
    for series in chart.series:
        canvas.curve(series.points, series.tone)
    if chart.level is not None:
        canvas.level(chart.level, "muted")
    axis, tick = ("|", "+") if glyphs().is_ascii else ("│", "┤")
    body: list[Cell] = [
        (((labels.get(y, "")).rjust(margin), "muted"), (tick if y in labels else axis, "faint"), *line)
        for y, line in enumerate(canvas.lines())
    ]
    return [head, *body, _epochs(bounds, margin, columns)]


def _legend(chart: Chart, columns: int) -> Cell:
    """Return title and names of the curves, with their last values if they fit."""
    sign = "*" if glyphs().is_ascii else "━"
    line: list[Span] = []
    for with_values in (True, False):
        line = [(chart.title, "strong")]
        for series in chart.series:
            line += [(f"  {sign} ", series.tone), (series.name, "muted")]
            if with_values and series.last:
                line.append((f"{' ' if series.name else ''}{series.last}", ""))
        if chart.level is not None and chart.level_name:
            line.append((f"  {glyphs().dot * 2} {chart.level_name}", "muted"))
        if width(tuple(line)) <= columns:
            break
    return tuple(line)


def _bounds(chart: Chart) -> Bounds | None:
    points = [p for s in chart.series for p in s.points if math.isfinite(p[0]) and math.isfinite(p[1])]
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if chart.level is not None:
        ys.append(chart.level)
    low, high = min(ys), max(ys)
    margin = (high - low) * 0.04 or abs(high) * 0.05 or 0.5
    x1 = max(xs) if chart.x_last is None else max(*xs, chart.x_last)
    floor = low if low == 0 else low - margin
    return Bounds(min(xs), x1, max(floor, 0.0) if low >= 0 else floor, high + margin)


def _labels(bounds: Bounds, height: int) -> dict[int, str]:
    """Return the scale labels by row: top, bottom, and some in between if they fit."""
    count = 2 if height < 5 else 3 if height < 12 else 5
    rows = [round(i * (height - 1) / (count - 1)) for i in range(count)]
    values = [bounds.y1 - (bounds.y1 - bounds.y0) * row / (height - 1) for row in rows]
    return dict(zip(rows, _numbers(values), strict=True))


def _numbers(values: list[float]) -> list[str]:
    """Format the values with the fewest digits that keep them distinct."""
    for digits in range(2, 6):
        texts = [f"{v:.{digits}g}" if abs(v) >= 10 else f"{v:.{digits}f}" for v in values]
        if len(set(texts)) == len(texts):
            break
    return [text.removeprefix("0") if text.startswith("0.") and text.strip("0.") else text for text in texts]


def _epochs(bounds: Bounds, margin: int, columns: int) -> Cell:
    first, last = f"{bounds.x0:g}", f"{bounds.x1:g}"
    corner = "+" if glyphs().is_ascii else "└"
    room = columns - margin - 1 - len(first) - len(last)
    name = " epoch " if room >= 12 and bounds.x1 > bounds.x0 else ""
    rule = ("-" if glyphs().is_ascii else "─") * max(0, room - len(name))
    half = len(rule) // 2
    if bounds.x1 <= bounds.x0:
        return ((" " * margin, ""), (corner, "faint"), (first, "muted"))
    return (
        (" " * margin, ""),
        (corner, "faint"),
        (first, "muted"),
        (rule[:half], "faint"),
        (name, "muted"),
        (rule[half:], "faint"),
        (last, "muted"),
    )
