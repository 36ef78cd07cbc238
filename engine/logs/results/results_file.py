"""A whole file of results: the numbers of its epochs, and whether they are those of a log."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from engine.contracts.facts import EpochRow, Fact, LogFormat, ValidationRow
from engine.logs.parser import LogParser
from engine.logs.results import results_csv, results_txt

NAMES = (results_csv.NAME, results_txt.NAME)
"""What trainers call their files of results, which are the names of the dialects, too."""
_UNSEEN = ("gpu_mem",)
"""Numbers of a moment: a file may have another one than the log."""
_ROUNDED = 1.001
"""Both values are binary fractions, so their difference is not quite the unit."""
_COARSEST = 1e-4
"""Unit of a file's numbers. One of fewer decimals ended in zeros, which `%g` does not print."""
_MOST_DIGITS = 6
"""Of an exponent."""
_LARGEST = 300
"""Power of ten that a float holds."""


@dataclass
class ResultsFile:
    """What a file of results holds."""

    source: str = ""
    """Its dialect; empty as long as no row has been read."""
    first_epoch: int = 0
    """What it counts epochs from."""
    epochs: dict[int, dict[str, str]] = field(default_factory=dict)
    """Texts by epoch and name. A row for an epoch that was there begins anew: all that stood from there on is gone."""

    def take(self, facts: Iterable[Fact]) -> None:
        """Add what the next facts tell."""
        for fact in facts:
            if isinstance(fact, LogFormat):
                self.first_epoch = fact.first_epoch
            elif isinstance(fact, EpochRow) and fact.source in NAMES:
                self.source = fact.source
                if fact.epoch in self.epochs:
                    self.epochs = {epoch: row for epoch, row in self.epochs.items() if epoch < fact.epoch}
                self.epochs[fact.epoch] = dict(fact.values)
            elif isinstance(fact, ValidationRow) and fact.source in NAMES and fact.epoch is not None:
                self.epochs.setdefault(fact.epoch, {}).update(fact.values)


def read_results(chunks: Iterable[bytes]) -> ResultsFile:
    """Read a file of results; without epochs where the bytes are none."""
    parser = LogParser()
    found = ResultsFile()
    for chunk in chunks:
        found.take(parser.feed(chunk))
    found.take(parser.finish())
    return found


@dataclass(frozen=True)
class Difference:
    """A number of which log and file plainly tell different things."""

    epoch: int
    """As the log counts."""
    key: str
    logged: str
    stored: str


@dataclass(frozen=True)
class Match:
    """How a file of results compares with a log."""

    epochs: Mapping[int, Mapping[str, str]]
    """The file's texts by the log's epochs and names."""
    compared: int
    """Numbers that both tell."""
    difference: Difference | None
    """The first one, where they are not of one run."""

    @property
    def is_of_one_run(self) -> bool:
        return self.compared > 0 and self.difference is None


def match_results(file: ResultsFile, logged: Mapping[int, Mapping[str, str]], first_epoch: int | None) -> Match:
    """Compare a file with a log: they are of one run when all numbers that both tell agree.

    Args:
        logged: texts by epoch and name.
        first_epoch: what the log counts epochs from; None where it does not say so.
    """
    shifts = {(first_epoch or 0) - file.first_epoch: None} | ({0: None} if first_epoch is None else {})
    matches = [_match(file, logged, shift) for shift in shifts]
    return next((match for match in matches if match.is_of_one_run), matches[0])


def _match(file: ResultsFile, logged: Mapping[int, Mapping[str, str]], shift: int) -> Match:
    names = {name for row in logged.values() for name in row}
    epochs = {
        epoch + shift: {_named(name, names): text for name, text in row.items()} for epoch, row in file.epochs.items()
    }
    compared, first = 0, None
    for epoch, key, one, other in _shared(logged, epochs):
        compared += 1
        if not agree(one, other):
            first = Difference(epoch, key, one, other)
            break
    return Match(epochs, compared, first)


def _shared(
    logged: Mapping[int, Mapping[str, str]], epochs: Mapping[int, Mapping[str, str]]
) -> Iterator[tuple[int, str, str, str]]:
    for epoch, row in sorted(logged.items()):
        stored = epochs.get(epoch, {})
        for key, text in row.items():
            if key in stored and key not in _UNSEEN:
                yield epoch, key, text, stored[key]


def _named(name: str, names: set[str]) -> str:
    """`box` for the `box_loss` of a file whose log calls it so."""
    short = name.removesuffix("_loss")
    return short if name not in names and short in names else name


def agree(logged: str, stored: str) -> bool:
    """Whether two texts may be of one number: no more than one unit of the log's last digit lies between them.

    Ultralytics rounds its file to five decimals, so small numbers have fewer digits there than in the log.
    """
    one, other = _value(logged), _value(stored)
    if one is None or other is None or not (math.isfinite(one) and math.isfinite(other)):
        return logged == stored or (one is not None and other is not None and str(one) == str(other))
    return abs(one - other) <= max(_unit(logged), min(_unit(stored), _COARSEST)) * _ROUNDED


def is_as_precise(stored: str, logged: str) -> bool:
    """Whether nothing is lost when the file's text takes the place of the log's, as the two agree."""
    return _value(stored) == _value(logged) or _unit(stored) <= _unit(logged)


def _unit(text: str) -> float:
    """One unit of the last digit that was printed."""
    mantissa, _, exponent = text.removesuffix("G").lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    power = int(exponent) if exponent.lstrip("+-").isdecimal() and len(exponent) < _MOST_DIGITS else 0
    return float(10.0 ** max(-_LARGEST, min(power - decimals, _LARGEST)))


def _value(text: str) -> float | None:
    try:
        return float(text.removesuffix("G"))
    except ValueError:
        return None
