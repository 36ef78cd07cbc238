"""The dialect of YOLOv7, which our own stages print, too."""

import math
import re

from engine.contracts.facts import Note, ValidationRow
from engine.logs.dialects import known_lines
from engine.logs.dialects.titles import Titles
from engine.logs.dialects.whole_rows import read_whole
from engine.logs.lexer.text import NUMBER
from engine.logs.lexer.tokens import EpochBar, EpochHeader, OtherBar, Token, ValidationBar
from engine.logs.lexer.tqdm_bars import BarText, find_bar, without_cut_bar

NAME = "yolov7"
VERIFIED = True
COLUMNS = ("gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
_FIELD = 10
"""Width of the fields of an epoch's row."""

_HEADER = re.compile(r"Epoch\s+gpu_mem\s+box\s+obj\s+cls\s+total\s+(?:labels|l?a?b?e?l?$)")
_ROW = re.compile(
    rf"(?<!\S)(?P<epoch>\d{{1,7}})/(?P<last>\d{{1,7}})\s+(?P<gpu_mem>\d[\d.e+]*G)(?P<rest>(?:\s+{NUMBER}){{0,6}})"
    r"(?P<after>\S*)"
)
_MORE_NUMBERS = re.compile(rf"\s+{NUMBER}(?!\S)")
"""Behind a row: it is one of a results file, which another program has printed."""
_VALIDATION = re.compile(r"Class\s+Images\s+Labels\s+P\s+R(?:\s+mAP@\S*|\s+mA?P?@?$|$)")
_METRICS_ROW = re.compile(
    rf"(?P<name>(?!\d+/\d+\s)\S(?:.{{0,200}}\S)?)\s+(?P<images>\d{{1,12}})\s+(?P<labels>\d{{1,12}})(?P<rest>(?:\s+{NUMBER}){{4}})\s*$"
)


def read(text: str, titles: Titles) -> list[Token]:
    """The tokens of a line, in their order; empty when it is not of this dialect.

    Args:
        text: the line without escape sequences.
        titles: the last ones, none before the first of a log.
    """
    whole = read_whole(text, titles.columns, METRICS)
    if whole is not None:
        return [whole]
    line = text.strip()
    bar = find_bar(line)
    token = _read_description(without_cut_bar(line) if bar is None else line[: bar.start], bar, text, titles.columns)
    if bar is None or token is None:
        token = token or _read_metrics(line) or known_lines.read(line)
        return [token] if token else []
    # What another stream wrote before the bar's line was closed stands behind it.
    glued = line[bar.end :].strip()
    behind = _read_metrics(glued) or known_lines.read(glued) if glued else None
    return [token, behind] if behind else [token]


def read_titles(text: str) -> list[Token]:
    """The tokens of a line of titles, after those of another dialect."""
    if "Class" not in text and "Epoch" not in text:
        return []
    tokens = read(text, Titles(NAME, COLUMNS))
    return tokens if tokens and isinstance(tokens[0], EpochHeader | ValidationBar) else []


def _read_description(line: str, bar: BarText | None, text: str, columns: tuple[str, ...] | None) -> Token | None:
    """Lines that are, or may be, the description of a bar."""
    if "/" in line:
        row = _ROW.search(line)
        if row is not None:
            return _epoch_bar(row, bar, text, columns)
    if line.startswith("Epoch") and _HEADER.search(line):
        return EpochHeader(NAME, COLUMNS)
    if "Class" in line and _VALIDATION.search(line):
        return ValidationBar(bar)
    if "Scanning " in line:
        if bar is None or bar.is_complete is not False:
            return Note("data", line.rstrip(": "))
        return OtherBar("scan", bar)
    if bar is not None and bar.total is not None and not line.startswith("Class "):
        return OtherBar(" ".join(line.rstrip(": ").split())[:60], bar)
    return None


def _epoch_bar(row: re.Match[str], bar: BarText | None, text: str, columns: tuple[str, ...] | None) -> EpochBar | None:
    numbers = [row["gpu_mem"], *row["rest"].split()]
    whole = row["after"] == ":"
    if columns is None:
        # Another trainer's rows look alike; without titles only a whole row of just this width is one of ours.
        if not whole or bar is None or len(numbers) != len(COLUMNS) or not _adds_up(numbers):
            return None
    elif row["after"] not in ("", ":") or _MORE_NUMBERS.match(row.string, row.end()):
        return None
    if not whole and not _ends_with_a_whole_field(text):
        numbers.pop()
    return EpochBar(
        epoch=int(row["epoch"]),
        last_epoch=int(row["last"]),
        values=dict(zip(COLUMNS, numbers, strict=False)),
        bar=bar,
    )


def _adds_up(numbers: list[str]) -> bool:
    """Whether the fourth loss is the sum of the others, as it is in no other trainer's row of this width."""
    *losses, total = map(float, numbers[1:5])
    return math.isclose(sum(losses), total, rel_tol=2e-3)


def _ends_with_a_whole_field(text: str) -> bool:
    """Whether the last field of a row without a bar is certainly not cut: all eight stand where they are printed."""
    text = text.rstrip()
    if len(text) != 8 * _FIELD:
        return False
    fields = [text[at : at + _FIELD] for at in range(0, len(text), _FIELD)]
    return all(field.startswith(" ") and not field.endswith(" ") and len(field.split()) == 1 for field in fields)


def _read_metrics(line: str) -> Token | None:
    match = _METRICS_ROW.match(line)
    if match is None:
        return None
    values = dict(zip(METRICS, match["rest"].split(), strict=True))
    return ValidationRow(match["name"], int(match["images"]), int(match["labels"]), values)
