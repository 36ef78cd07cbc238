"""Why a run waits for a time is true to ten seconds, and is not written more often."""

import time

import pytest

from engine.runner.waiting.delay import clock_time, delay_reason

RETRY = {"number": 2, "limit": 3, "after": "signal 9"}


@pytest.mark.parametrize(("left", "text"), [(40, "40 s"), (39.9, "40 s"), (31, "40 s"), (30, "30 s"), (0.1, "10 s")])
def test_a_countdown_goes_by_tens(left: float, text: str) -> None:
    assert delay_reason(1000.0 + left, RETRY, 1000.0) == f"retry 2 of 3 in {text} after signal 9"


def test_a_long_pause_is_told_in_minutes() -> None:
    assert delay_reason(1000.0 + 290, RETRY, 1000.0) == "retry 2 of 3 in 5 min after signal 9"


def test_nothing_stands_in_the_way_once_the_time_has_come() -> None:
    assert delay_reason(1000.0, RETRY, 1000.0) == ""
    assert delay_reason(0.0, {}, 1000.0) == ""


def test_a_start_names_the_day_where_it_is_another_one() -> None:
    noon = time.mktime((2026, 12, 1, 12, 0, 0, 0, 0, -1))
    assert clock_time(noon + 3600, noon) == "13:00"
    assert delay_reason(noon + 24 * 3600, {}, noon) == "starts at 2026-12-02 12:00"
