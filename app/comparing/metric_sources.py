"""The sources of displayed numbers: which columns come from sidecar results, and the legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db.views import EpochView, Number

LOG = "log"
FILES = frozenset({"results.txt", "results.csv", "tensorboard"})
"""Names of sidecar results."""
STORED, PRINTED = "°", "'"
"""Signs of a column from such a file, and of a number in it that is from the log."""


@dataclass(frozen=True)
class Sources:
    """The sources of the numbers of a table."""

    files: tuple[str, ...]
    """The sources other than the log: `results.csv`, …"""
    columns: frozenset[str]
    """Names of columns with numbers from these sources."""
    has_exceptions: bool
    """Whether a number of these columns is from the log."""

    def is_exception(self, name: str, number: Number) -> bool:
        """Whether a number is from the log, unlike others of its column."""
        return number.source == LOG and name in self.columns

    def legend(self, column_sign: str, number_sign: str) -> str:
        """Return `° from results.csv, ' log`; empty if all numbers are from the log."""
        if not self.files:
            return ""
        return f"{column_sign} from {', '.join(self.files)}" + (f", {number_sign} log" if self.has_exceptions else "")


def sources(epochs: Iterable[EpochView], names: Sequence[str]) -> Sources:
    """Return the sources of the numbers of epochs.

    Args:
        names: of the numbers that are shown.
    """
    return sources_of((name, epoch.values[name].source) for epoch in epochs for name in names if name in epoch.values)


def sources_of(pairs: Iterable[tuple[str, str]]) -> Sources:
    """Return the sources of numbers by the pairs of their names and sources."""
    found = set(pairs)
    columns = frozenset(name for name, source in found if source != LOG)
    files = tuple(sorted({source for _, source in found if source != LOG}))
    return Sources(files, columns, any((name, LOG) in found for name in columns))
