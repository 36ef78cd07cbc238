"""The order of a list of runs by one of their fields."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from app.runs.query.fields import Field
from db.views import RunView

Listed = TypeVar("Listed", bound=RunView)


@dataclass(frozen=True)
class Order:
    """A field to sort by."""

    field: Field
    is_descending: bool = False

    def sorted(self, runs: Iterable[Listed]) -> list[Listed]:
        """Sort the runs. Equal ones keep their order, and runs without a value come last either way."""
        listed = [(self.field.value(run), run) for run in runs]
        valued = [(value, run) for value, run in listed if value is not None and value != ""]
        without = [run for value, run in listed if value is None or value == ""]
        valued.sort(key=lambda pair: _key(pair[0]), reverse=self.is_descending)
        return [run for _, run in valued] + without


def _key(value: str | float | None) -> tuple[bool, float, str]:
    """Sort numbers before texts, texts regardless of letter case."""
    if isinstance(value, str):
        try:
            return (False, float(value), "")
        except ValueError:
            return (True, 0.0, value.lower())
    return (False, float(value or 0.0), "")
