"""What a table must know of all epochs of a run, brought up to date by the epochs that are new. No widget."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from operator import is_

from app.comparing.metric_sources import Sources, sources_of
from app.widgets.run.run_text import best_epoch
from db.views import EpochView


class EpochTotals:
    """Names and sources of the numbers of all epochs, and the best epoch.

    `update` looks only at epochs that are other objects than before: a reading of the run shares the unchanged ones
    with the reading before it.
    """

    def __init__(self) -> None:
        self.epochs: tuple[EpochView, ...] = ()
        self.best: EpochView | None = None
        """The epoch with the highest mAP@.5:.95, the first of equals."""
        self._sources: Counter[tuple[str, str]] = Counter()
        """Pairs of a number's name and source → the count of epochs that have it."""

    def update(self, epochs: tuple[EpochView, ...]) -> int:
        """Take the epochs of a new reading; return how many of the first ones have not changed."""
        if epochs is self.epochs:
            return len(epochs)
        kept = unchanged(self.epochs, epochs)
        removed, added = self.epochs[kept:], epochs[kept:]
        self._sources.subtract(_pairs(removed))
        self._sources.update(_pairs(added))
        is_best_removed = any(epoch is self.best for epoch in removed)
        candidates = epochs if is_best_removed or self.best is None else (self.best, *added)
        self.best, self.epochs = best_epoch(candidates), epochs
        return kept

    @property
    def names(self) -> set[str]:
        """The names of all numbers."""
        return {name for (name, _), count in self._sources.items() if count}

    def sources(self, names: Collection[str]) -> Sources:
        """Return the sources of the numbers with these names."""
        return sources_of(pair for pair, count in self._sources.items() if count and pair[0] in names)


def unchanged(before: Sequence[object], now: Sequence[object]) -> int:
    """Return how many items at the start of both are the same objects."""
    shared = min(len(before), len(now))
    # The last items change: one comparison in C of all others instead of a loop over them.
    for count in range(shared, max(0, shared - 3), -1):
        if all(map(is_, before[:count], now[:count])):
            return count
    return next((i for i, same in enumerate(map(is_, before, now)) if not same), shared)


def _pairs(epochs: Iterable[EpochView]) -> Iterable[tuple[str, str]]:
    return ((name, number.source) for epoch in epochs for name, number in epoch.values.items())
