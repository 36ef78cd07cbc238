"""Rows that stand under titles, read by the names of their columns, as YOLOv5, YOLOv9 and Ultralytics print them."""

import re
from functools import lru_cache

from engine.contracts.facts import Note, ValidationRow
from engine.logs.dialects import known_lines
from engine.logs.dialects.titles import Titles
from engine.logs.dialects.whole_rows import FIELDS, fields, read_whole
from engine.logs.lexer.rich_bars import find_any_bar
from engine.logs.lexer.text import NUMBER
from engine.logs.lexer.tokens import EpochBar, OtherBar, Token, ValidationBar
from engine.logs.lexer.tqdm_bars import BarText, without_cut_bar

METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
"""The names of the store, whatever a trainer calls them."""
RENAMED = {
    "GPU_mem": "gpu_mem",
    "targets": "labels",
    "Instances": "labels",
    "Size": "img_size",
}
"""Columns that are no losses, by the store's names."""

_EPOCH = re.compile(r"(\d{1,7})/(\d{1,7})")
_NUMBER = re.compile(NUMBER)
_FIELDS = {name: re.compile(pattern) for name, pattern in FIELDS.items()}
_LAST = frozenset("0123456789.nf")
"""Last characters of numbers, `nan` and `inf`."""
_CUT_NUMBER = re.compile(r"-?(?:\d[\d.]*(?:e[-+]?\d*)?G?|nan?|inf?|[ni])?")
"""A number whose last characters may be missing."""
_COUNT = re.compile(r"\d{1,12}")
_CUT_VALIDATION = re.compile(r"Class\s+Images(?:\s+(?P<count>[LTI]\w*))?(?:\s+B(?:ox?)?)?")
"""Titles of a validation that the terminal's edge has cut before any metric. Rows of classes have the usual four."""
_VALIDATION = re.compile(r"Class\s+Images\s+(?:Labels|Targets|Instances)\s+(?P<metrics>\S.*)")
_GROUPS = {"": "", "Box": "", "Mask": "(M)", "Pose": "(P)"}
"""What stands before a bracket around four metrics → what tells their names in the store from those of the boxes."""
_SPELLINGS = ({"P"}, {"R"}, {"mAP@.5", "mAP50"}, {"mAP@.5:.95", "mAP50-95"})


def read(text: str, titles: Titles, dialect: str) -> list[Token]:
    """The tokens of a line, its titles of an epoch apart; empty when it is not understood."""
    whole = read_whole(text, titles.columns, titles.metrics)
    if whole is not None:
        return [whole]
    line = text.strip()
    if line.startswith("Class ") and "Images" in line:
        return read_validation_titles(line, dialect)
    bar = find_any_bar(line)
    token = _read_description(without_cut_bar(line) if bar is None else line[: bar.start], bar, titles.columns)
    if bar is None or token is None:
        token = token or read_metrics(line, titles.metrics) or known_lines.read(line)
        return [token] if token else []
    return [token, *_behind(line, bar, titles.metrics)]


def read_validation_titles(line: str, dialect: str) -> list[Token]:
    """The titles of a validation, if all metrics that they name are known, and what stands behind their bar."""
    bar = find_any_bar(line)
    named = _validation(without_cut_bar(line) if bar is None else line[: bar.start].rstrip())
    if named is None:
        return []
    metrics, first_epoch, is_in_order = named
    titles = ValidationBar(bar, dialect, metrics, first_epoch, is_in_order)
    return [titles] if bar is None else [titles, *_behind(line, bar, metrics)]


@lru_cache(maxsize=64)
def _validation(titles: str) -> tuple[tuple[str, ...], int | None, bool] | None:
    """Names of the metrics, what the dialect with such titles counts epochs from, and whether its rows are in order."""
    if cut := _CUT_VALIDATION.fullmatch(titles):
        return METRICS, None, (cut["count"] or "").startswith("I")
    match = _VALIDATION.match(titles)
    metrics = _metrics(match["metrics"]) if match else None
    if match is None or metrics is None:
        return None
    return metrics, 1 if "Box(" in match["metrics"] else 0, "Instances" in titles


def _behind(line: str, bar: BarText, metrics: tuple[str, ...] | None) -> list[Token]:
    """What another stream wrote before the bar's line was closed."""
    glued = line[bar.end :].strip()
    token = read_metrics(glued, metrics) or known_lines.read(glued) if glued else None
    return [token] if token else []


def _read_description(line: str, bar: BarText | None, columns: tuple[str, ...] | None) -> Token | None:
    if columns and (row := read_row(line, bar, columns)):
        return row
    if "Scanning " in line and (bar is None or bar.is_complete is not False):
        return Note("data", line.rstrip(": "))
    if bar is not None and bar.total is not None:
        return OtherBar("scan" if "Scanning " in line else " ".join(line.rstrip(": ").split())[:60], bar)
    return None


@lru_cache(maxsize=64)
def _whole_row(columns: tuple[str, ...]) -> re.Pattern[str]:
    """An uncut row, which nearly all are: a number for each column and a colon before the bar."""
    return re.compile(rf"(\d{{1,7}})/(\d{{1,7}}){fields(columns)}:\s*")


def read_row(line: str, bar: BarText | None, columns: tuple[str, ...]) -> EpochBar | None:
    """A training row; None unless it holds one number for each column, or, at the terminal's edge, the first of them.

    Args:
        line: what stands before the bar.
    """
    if not line[:1].isdecimal():
        return None
    if match := _whole_row(columns).fullmatch(line):
        epoch, last, *numbers = match.groups()
        return EpochBar(int(epoch), int(last), dict(zip(columns, numbers, strict=True)), bar)
    fields = line.split()
    epoch = _EPOCH.fullmatch(fields[0]) if fields else None
    if epoch is None:
        return None
    is_whole = fields[-1].endswith(":")
    numbers = [*fields[1:-1], fields[-1].removesuffix(":")] if is_whole else fields[1:]
    if len(numbers) > len(columns) or (is_whole and len(numbers) < len(columns)):
        return None
    if not is_whole and (bar is not None or len(numbers) < 2 or not _CUT_NUMBER.fullmatch(numbers.pop())):
        return None
    if not all(_FIELDS.get(name, _NUMBER).fullmatch(number) for name, number in zip(columns, numbers, strict=False)):
        return None
    return EpochBar(int(epoch[1]), int(epoch[2]), dict(zip(columns, numbers, strict=False)), bar)


def _metrics(titles: str) -> tuple[str, ...] | None:
    """Names of the store; None when one isn't known. The terminal's edge may have cut the last group of four."""
    is_whole = titles.endswith(":")
    names = titles.removesuffix(":").split()
    found: list[str] = []
    for at in range(0, len(names), len(METRICS)):
        group = names[at : at + len(METRICS)]
        opened, bracket, first = group[0].rpartition("(")
        suffix = _GROUPS.get(opened)
        if suffix is None or bool(opened) != bool(bracket):
            return None
        group = [first, *group[1:]]
        if len(group) == len(METRICS) and bracket:
            group[-1] = group[-1].removesuffix(")")
        is_cut = not is_whole and at + len(METRICS) >= len(names)
        for place, name in enumerate(group):
            may_be_cut = is_cut and place == len(group) - 1
            if name not in _SPELLINGS[place] and not (may_be_cut and _begins(name, _SPELLINGS[place])):
                return None
        if len(group) < len(METRICS) and not is_cut:
            return None
        found += [f"{name}{suffix}" for name in METRICS]
    return tuple(found) if len(set(found)) == len(found) else None


def _begins(name: str, spellings: set[str]) -> bool:
    return any(spelling.startswith(name) for spelling in spellings)


def read_metrics(line: str, metrics: tuple[str, ...] | None) -> ValidationRow | None:
    """A row of a validation under its titles: a name, two counts, and just as many numbers as there are metrics."""
    if not metrics or line[-1:] not in _LAST:
        return None
    fields = line.rsplit(None, len(metrics) + 2)
    if len(fields) != len(metrics) + 3 or len(fields[0]) > 200 or _EPOCH.match(fields[0]):
        return None
    name, images, labels, *numbers = fields
    if not (_COUNT.fullmatch(images) and _COUNT.fullmatch(labels) and all(map(_NUMBER.fullmatch, numbers))):
        return None
    return ValidationRow(name, int(images), int(labels), dict(zip(metrics, numbers, strict=True)))
