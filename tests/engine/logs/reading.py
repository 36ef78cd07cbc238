"""Fixtures of `tests/fixtures/logs`, and their facts as rows of words, to be compared with tables."""

from collections.abc import Sequence

from engine.contracts.facts import EpochRow, Fact, ValidationRow
from engine.logs.parser import LogParser
from tests.conftest import REPOSITORY
from tests.engine.logs.printed import only, read

FIXTURES = REPOSITORY / "tests" / "fixtures" / "logs"


def read_fixture(name: str) -> tuple[list[Fact], LogParser]:
    """The facts of a log that is kept here."""
    parser = LogParser()
    return read((FIXTURES / name).read_bytes(), parser), parser


def table(text: str) -> list[list[str]]:
    """Lines of words."""
    return [line.split() for line in text.splitlines() if line.strip()]


def trained(facts: Sequence[Fact]) -> list[list[str]]:
    """Epoch, last epoch and values of all training rows."""
    return [[str(row.epoch), str(row.last_epoch), *row.values.values()] for row in only(EpochRow, facts)]


def columns(facts: Sequence[Fact]) -> set[tuple[str, ...]]:
    """The names of the values of all training rows."""
    return {tuple(row.values) for row in only(EpochRow, facts)}


def validated(facts: Sequence[Fact]) -> list[list[str]]:
    """Epoch and metrics of all epochs' validations."""
    rows = [row for row in only(ValidationRow, facts) if row.epoch is not None and row.class_name == "all"]
    return [[str(row.epoch), *row.values.values()] for row in rows]


def final(facts: Sequence[Fact]) -> list[ValidationRow]:
    """The rows of evaluations that are no epoch's."""
    return [row for row in only(ValidationRow, facts) if row.epoch is None]
