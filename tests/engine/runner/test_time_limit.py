"""A time limit holds for all attempts of a series together."""

import math

from engine.runner.time_limit import TimeLimit


def test_the_time_of_earlier_attempts_counts() -> None:
    limit = TimeLimit({"time_limit": 43200.0, "retry": {"seconds_used": 3600.0}}, 1000.0)
    assert limit.deadline == 1000.0 + 11 * 3600
    assert limit.reason == "time limit of 12 h reached"


def test_without_a_limit_there_is_no_deadline() -> None:
    assert TimeLimit({}, 1000.0).deadline == math.inf


def test_a_limit_is_told_in_the_unit_that_fits() -> None:
    reasons = [TimeLimit({"time_limit": seconds}, 0.0).reason for seconds in (86400.0, 5400.0, 90.0, 1.5)]
    assert reasons == [f"time limit of {text} reached" for text in ("1 d", "90 min", "90 s", "1.5 s")]
