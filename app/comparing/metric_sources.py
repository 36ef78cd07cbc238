"""Which of the numbers that are shown come from a file of results, for a mark at their columns and a legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db.views import EpochView, Number

LOG = "log"
FILES = frozenset({"results.txt", "results.csv", "tensorboard"})
"""What a trainer writes beside its log."""
STORED, PRINTED = "°", "'"
"""Marks: of a column whose numbers come from such a file, and of a number in it that is the log's."""


@dataclass(frozen=True)
class Sources:
    """Where the numbers of a table come from."""

    files: tuple[str, ...]
    """The sources other than the log: `results.csv`, …"""
    columns: frozenset[str]
    """Names of numbers that come from these; not always all of them."""
    has_exceptions: bool
    """Whether a number of one of these columns is the log's."""

    def is_exception(self, name: str, number: Number) -> bool:
        """Whether a number is the log's, unlike others of its column."""
        return number.source == LOG and name in self.columns

    def legend(self, column_sign: str, number_sign: str) -> str:
        """`° from results.csv, ' log`; empty where the log tells everything."""
        if not self.files:
            return ""
        return f"{column_sign} from {', '.join(self.files)}" + (f", {number_sign} log" if self.has_exceptions else "")


def sources(epochs: Iterable[EpochView], names: Sequence[str]) -> Sources:
    """The sources of what epochs show.

    Args:
        names: of the numbers that are shown.
    """
    sources = {(name, epoch.values[name].source) for epoch in epochs for name in names if name in epoch.values}
    columns = frozenset(name for name, source in sources if source != LOG)
    files = tuple(sorted({source for _, source in sources if source != LOG}))
    return Sources(files, columns, any((name, LOG) in sources for name in columns))
