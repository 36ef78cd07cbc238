"""Rows that nothing has cut or glued to another, as nearly all are: one pattern reads a whole line, its bar included.

Whatever does not fit is read by its dialect, which comes to the same for what does, in three times the time.
"""

import re
from functools import lru_cache

from engine.contracts.facts import ValidationRow
from engine.logs.lexer.text import NUMBER
from engine.logs.lexer.tokens import EpochBar, Token
from engine.logs.lexer.tqdm_bars import WHOLE_BAR, whole_bar

FIELDS = {
    "gpu_mem": r"\d[\d.e+]{0,12}G",
    "labels": r"\d{1,9}",
    "img_size": r"\d{1,6}",
}
"""What stands in the columns that are no losses."""


def fields(columns: tuple[str, ...]) -> str:
    """The pattern of a number for each column, each a group."""
    return "".join(rf"\s++({FIELDS.get(name, NUMBER)})" for name in columns)


@lru_cache(maxsize=64)
def _epoch(columns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(\d{{1,7}})/(\d{{1,7}}){fields(columns)}:\s*{WHOLE_BAR}\s*")


@lru_cache(maxsize=64)
def _metrics(count: int) -> re.Pattern[str]:
    return re.compile(r"all\s++(\d{1,12})\s++(\d{1,12})" + rf"\s++({NUMBER})" * count + r"\s*")


def read_whole(text: str, columns: tuple[str, ...] | None, metrics: tuple[str, ...] | None) -> Token | None:
    """A row of an epoch that ends in its bar, or one of all classes, with a number for each title; None of other lines.

    Args:
        columns: titles of an epoch's row behind the epoch, None before any.
        metrics: titles of a validation's row behind the counts, None before any.
    """
    line = text.lstrip()
    first = line[:1]
    if first == "a":
        return _read_all(line, metrics) if metrics else None
    return _read_epoch(line, columns) if columns and first.isdecimal() else None


def _read_epoch(line: str, columns: tuple[str, ...]) -> EpochBar | None:
    match = _epoch(columns).fullmatch(line)
    if match is None:
        return None
    epoch, last, *numbers = match.groups()
    count = len(columns)
    bar = whole_bar(match.start(count + 3), match.end(), *numbers[count:])
    return EpochBar(int(epoch), int(last), dict(zip(columns, numbers, strict=False)), bar)


def _read_all(line: str, metrics: tuple[str, ...]) -> ValidationRow | None:
    match = _metrics(len(metrics)).fullmatch(line)
    if match is None:
        return None
    images, labels, *numbers = match.groups()
    return ValidationRow("all", int(images), int(labels), dict(zip(metrics, numbers, strict=True)))
