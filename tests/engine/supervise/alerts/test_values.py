"""What the log of a training is reported for: each thing once, and nothing in a training that goes well."""

from collections.abc import Sequence

import pytest

from engine.logs.parser import LogParser
from engine.supervise.alerts.values import ValueAlerts
from tests.engine.supervise.alerts.printed import bar, epoch


def alerts(texts: Sequence[str], falling_epochs: int = 3) -> list[tuple[str, str]]:
    """What a log is reported for, that grows by one text after the other."""
    parser, values = LogParser(), ValueAlerts(falling_epochs)
    found: list[tuple[str, str]] = []
    for text in texts:
        for fact in parser.feed(text.encode()):
            found += values.take(fact)
        found += values.take_progress(parser.progress)
    return found


def test_a_training_that_goes_well_is_not_reported() -> None:
    log = [epoch(number, 0.3 / (number + 1), 0.4 + 0.0 * number) for number in range(12)]
    assert alerts(log) == []


def test_a_loss_that_is_not_a_number_is_reported_once_until_it_is_one_again() -> None:
    nan = float("nan")
    log = [epoch(0), epoch(1, nan), epoch(2, nan), epoch(3), epoch(4, float("inf"))]
    assert alerts(log) == [
        ("nan", "box nan, total nan in epoch 1"),
        ("nan", "box inf, total inf in epoch 4"),
    ]


def test_nan_is_reported_before_the_epoch_ends() -> None:
    assert alerts([epoch(0), bar(1, float("nan"), batch=1)]) == [("nan", "box nan, total nan in epoch 1")]


def test_a_loss_that_jumps_is_reported() -> None:
    log = [epoch(number, 0.1) for number in range(5)] + [epoch(5, 0.4), epoch(6, 0.4), epoch(7, 0.1)]
    assert alerts(log) == [("spike", "loss 0.43 in epoch 5, 3.3 times the highest of the 5 epochs before")]


def test_the_first_epochs_cannot_jump() -> None:
    assert alerts([epoch(0, 0.1), epoch(1, 0.9)]) == []


def test_a_new_best_is_reported_against_the_one_before() -> None:
    log = [epoch(0, rating=0.3), epoch(1, rating=0.2), epoch(2, rating=0.35)]
    assert alerts(log) == [("best", "mAP@.5:.95 0.35 in epoch 2, before 0.3 in epoch 0")]


@pytest.mark.parametrize(("ratings", "count"), [((0.5, 0.4, 0.3, 0.2), 1), ((0.5, 0.4, 0.4, 0.3, 0.2), 0)])
def test_an_map_that_falls_for_some_epochs_is_reported_once(ratings: tuple[float, ...], count: int) -> None:
    log = [epoch(number, rating=rating) for number, rating in enumerate([*ratings, 0.1, 0.09][: len(ratings) + 1])]
    found = [reason for event, reason in alerts(log[: len(ratings)]) if event == "falling"]
    assert len(found) == count
    if count:
        assert found == ["mAP@.5:.95 fell for 3 epochs, from 0.5 to 0.2 in epoch 3"]
        assert len([event for event, _ in alerts(log) if event == "falling"]) == 1


def test_another_training_in_the_same_log_has_a_best_of_its_own() -> None:
    first = [epoch(number, rating=0.5 + number / 10) for number in range(3)]
    second = [epoch(0, rating=0.1), epoch(1, rating=0.2)]
    assert alerts([*first, *second])[-1] == ("best", "mAP@.5:.95 0.2 in epoch 1, before 0.1 in epoch 0")
