"""Durations are read as people write them, and nothing else is taken for one."""

import pytest

from engine.contracts.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12h", 43200), ("90m", 5400), ("1d12h", 129600), ("1h30m", 5400), ("45s", 45)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "12", "0h", "h", "12:00", "5 hours", "30m1h", "-1h", "nan"])
def test_what_is_not_a_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 12h, 90m or 1d12h"):
        parse_duration(text)
