"""Each kind of value has one spelling, and every command and screen takes it from here."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.formatting import age, ago, duration, megabytes, metric, points, signed, size, time_left
from app.widgets.base import styled_text
from app.widgets.base.glyphs import ASCII
from db.views import Number

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


def _age(seconds: float) -> str:
    return age(NOW - timedelta(seconds=seconds), NOW)


def _metric(text: str, value: float | None) -> str:
    return metric(Number(text, value))


def _points(one: Number, other: Number) -> str:
    return points(one, other)


SPELLINGS: list[tuple[Callable[..., str], tuple[Any, ...], str]] = [
    (duration, (0,), "0.0s"),
    (duration, (0.44,), "0.4s"),
    (duration, (9.96,), "10s"),
    (duration, (59.4,), "59s"),
    (duration, (59.6,), "1m 00s"),
    (duration, (66,), "1m 06s"),
    (duration, (3599.7,), "1h 00m"),
    (duration, (2 * HOUR + 5 * MINUTE,), "2h 05m"),
    (duration, (3 * DAY + 4 * HOUR,), "3d 04h"),
    (duration, (-5,), "0s"),
    (duration, (float("nan"),), "–"),
    (duration, (float("inf"),), "11574d 01h"),
    (duration, (None,), "–"),
    (time_left, (4.2,), "4s"),
    (time_left, (66,), "1m 06s"),
    (time_left, (12 * MINUTE + 25,), "12m"),
    (time_left, (HOUR - 10,), "59m 50s"),
    (time_left, (2 * HOUR + 5 * MINUTE,), "2h 05m"),
    (time_left, (None,), "–"),
    (_age, (-3600,), "now"),
    (_age, (59,), "now"),
    (_age, (300,), "5m"),
    (_age, (7300,), "2h"),
    (_age, (13 * DAY,), "13d"),
    (_age, (60 * DAY,), "8w"),
    (_age, (400 * DAY,), "1y"),
    (age, (datetime(2026, 11, 23, 13, 0), NOW), "1h"),  # without a zone it is UTC
    (age, (None,), "–"),
    (_metric, ("0.478", 0.478), "0.478"),
    (_metric, ("0.48", 0.48), "0.480"),
    (_metric, ("0.478", 0.47812345), "0.4781"),
    (_metric, ("0.58486", 0.58486), "0.5849"),
    (_metric, ("1", 1.0), "1.000"),
    (_metric, ("nan", None), "nan"),
    (metric, (None,), "–"),
    (_points, (Number("0.478", 0.47812), Number("0.48", 0.48049)), "−0.24"),
    (_points, (Number("0.478", 0.478), Number("0.48", 0.48049)), "−0.2"),
    (_points, (Number("0.48", 0.48), Number("0.478", 0.478)), "+0.2"),
    (_points, (Number("0.48", 0.48), Number("0.48", 0.48)), "0.0"),
    (_points, (Number("0.48", 0.480001), Number("0.48", 0.480002)), "0.00"),
    (_points, (Number("nan", None), Number("0.48", 0.48)), ""),
    (signed, (1.904,), "+1.90"),
    (signed, (-0.019,), "−0.02"),
    (signed, (-0.001,), "0.00"),
    (size, (0,), "0 B"),
    (size, (999,), "999 B"),
    (size, (1000,), "1.00 kB"),
    (size, (1_320_000,), "1.32 MB"),
    (size, (75_600_000,), "75.6 MB"),
    (size, (312_400_000,), "312 MB"),
    (size, (999_600_000,), "1.00 GB"),
    (size, (9_800_000_000,), "9.80 GB"),
    (size, (12_345_000_000_000,), "12.3 TB"),
    (size, (None,), "–"),
    (megabytes, (1_320_000,), "1.32"),
    (megabytes, (None,), "–"),
]


@pytest.mark.parametrize(("format_value", "values", "text"), SPELLINGS)
def test_a_kind_has_one_spelling(format_value: Callable[..., str], values: tuple[Any, ...], text: str) -> None:
    assert format_value(*values) == text


def test_an_age_in_a_sentence() -> None:
    now = datetime.now(UTC)
    assert ago(now) == "just now"
    assert ago(now - timedelta(hours=2, seconds=5)) == "2h ago"


def test_a_terminal_of_ascii_alone_gets_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(styled_text, "glyphs", lambda: ASCII)
    assert styled_text.clean(f"{signed(-1.9)} {duration(None)}") == "-1.90 -"
