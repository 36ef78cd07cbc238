"""The `results.txt` of YOLOv7 and of YOLOv5 up to 5.0: fifteen numbers to a line and no titles."""

import re

from engine.logs.dialects.titles import Titles
from engine.logs.lexer.text import NUMBER
from engine.logs.lexer.tokens import ResultsRow, Token

NAME = "results.txt"
VERIFIED = True
_VALUES = ("gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
_METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
_LOSSES = ("val/box", "val/obj", "val/cls")
_ROW = re.compile(
    r"(?P<epoch>\d{1,7})/(?P<last>\d{1,7})\s+(?P<numbers>"
    rf"\d[\d.e+]{{0,12}}G(?:\s+{NUMBER}){{4}}\s+\d{{1,9}}\s+\d{{1,6}}(?:\s+{NUMBER}){{7}})"
)


def read_titles(text: str) -> list[Token]:
    """The tokens of a row, which tells by its width alone what it is."""
    match = _ROW.fullmatch(text.strip()) if "/" in text else None
    if match is None:
        return []
    numbers = match["numbers"].split()
    values = dict(zip((*_VALUES, *_LOSSES), numbers[:7] + numbers[11:], strict=True))
    metrics = dict(zip(_METRICS, numbers[7:11], strict=True))
    epoch, last = int(match["epoch"]), int(match["last"])
    return [ResultsRow(NAME, epoch, last, values, metrics, counts_from=0, last_column=_LOSSES[-1])]


def read(text: str, titles: Titles) -> list[Token]:
    return read_titles(text)
