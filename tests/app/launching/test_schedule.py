"""The time of a start is the next one of its kind, and never one that has passed."""

from datetime import datetime, timedelta, timezone

import pytest

from app.launching.schedule import parse_start

NOW = datetime(2026, 11, 30, 21, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("22:00", "2026-11-30T22:00:00+01:00"),
        ("21:30", "2026-12-01T21:30:00+01:00"),
        ("7:05", "2026-12-01T07:05:00+01:00"),
        ("2026-12-24T18:00+00:00", "2026-12-24T18:00:00+00:00"),
    ],
)
def test_the_next_such_time(text: str, moment: str) -> None:
    assert parse_start(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["25:00", "22", "tonight", "22:00:61"])
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 22:00"):
        parse_start(text, NOW)


def test_a_time_that_has_passed() -> None:
    with pytest.raises(ValueError, match="2026-11-29T22:00 has passed"):
        parse_start("2026-11-29T22:00", NOW)
