"""Curves as text."""

import math

import pytest

from app.widgets.base.glyphs import ASCII
from app.widgets.base.styled_text import plain, width
from app.widgets.charts import chart as chart_module
from app.widgets.charts.braille import Bounds, Canvas
from app.widgets.charts.chart import Chart, Series, draw


def picture(canvas: Canvas) -> list[str]:
    return ["".join(text for text, _ in line) for line in canvas.lines()]


def test_a_rising_line_goes_from_bottom_left_to_top_right() -> None:
    canvas = Canvas(4, 2, Bounds(0, 7, 0, 7))
    canvas.curve([(i, i) for i in range(8)], "series0")
    assert picture(canvas) == ["  ⡠⠊", "⡠⠊  "]


def test_one_spike_among_ten_thousand_points_stays_visible() -> None:
    points = [(float(i), 1.0 if i == 5003 else 0.0) for i in range(10_000)]
    canvas = Canvas(40, 5, Bounds(0, 9999, 0, 1))
    canvas.curve(points, "series0")
    assert picture(canvas)[0].strip(), "the top row has the spike"


def test_points_that_are_not_finite_are_left_out() -> None:
    canvas = Canvas(8, 2, Bounds(0, 3, 0, 1))
    canvas.curve([(0, 0), (1, math.nan), (2, math.inf), (3, 1)], "series0")
    assert "".join(picture(canvas)).strip()


def test_a_later_curve_colours_the_cells_that_it_crosses() -> None:
    canvas = Canvas(2, 1, Bounds(0, 3, 0, 1))
    canvas.curve([(0, 0), (3, 0)], "series0")
    canvas.curve([(2, 0), (3, 0)], "series1")
    assert [tone for _, tone in canvas.lines()[0]] == ["series0", "series1"]


@pytest.mark.parametrize("size", [(16, 3), (40, 8), (90, 12), (200, 40), (5, 2), (1, 1)])
def test_a_chart_fits_its_space(size: tuple[int, int]) -> None:
    columns, rows = size
    points = tuple((float(i), 0.4 + 0.01 * i) for i in range(10))
    lines = draw(Chart("mAP", (Series("all", points, "series0", ".49"),), 29.0, 0.478, "float"), columns, rows)
    assert len(lines) <= max(rows, 1)
    if columns >= 16 and rows > 3:
        assert all(width(line) <= columns for line in lines[1:])


def test_axes_tell_the_values_and_epochs() -> None:
    points = tuple((float(i), value) for i, value in enumerate((0.1, 0.3, 0.478)))
    text = "\n".join(
        plain(line) for line in draw(Chart("mAP", (Series("all", points, "series0", ".478"),), 9.0), 60, 9)
    )
    assert ".49┤" in text
    assert "└0" in text
    assert text.rstrip().endswith("9"), "the axis ends at the last planned epoch"
    assert "━ all .478" in text


def test_a_flat_curve_and_a_single_point_are_drawn() -> None:
    for points in (((0.0, 0.5),), ((0.0, 0.5), (1.0, 0.5))):
        lines = draw(Chart("loss", (Series("box", points, "series0"),)), 40, 6)
        assert any(0x2800 < ord(sign) <= 0x28FF for line in lines for sign in plain(line))


def test_without_points_it_says_so() -> None:
    assert "no epochs yet" in plain(draw(Chart("loss", ()), 40, 6)[1])


def test_ascii_charts_hold_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_module, "glyphs", lambda: ASCII)
    points = tuple((float(i), float(i * i)) for i in range(20))
    lines = draw(Chart("loss", (Series("box", points, "series0", "1"),), 30.0, 100.0, "float"), 60, 10)
    assert all(plain(line).isascii() for line in lines)
