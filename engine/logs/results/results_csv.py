"""The `results.csv` of YOLOv5 since 6.0, of YOLOv9 and of Ultralytics, read by the names of its columns."""

import re

from engine.logs.dialects.titles import Titles
from engine.logs.lexer.text import NUMBER
from engine.logs.lexer.tokens import EpochHeader, ResultsRow, Token

NAME = "results.csv"
VERIFIED = True
_METRICS = {
    "metrics/precision": "P",
    "metrics/recall": "R",
    "metrics/mAP_0.5": "mAP@.5",
    "metrics/mAP_0.5:0.95": "mAP@.5:.95",
    "metrics/mAP50": "mAP@.5",
    "metrics/mAP50-95": "mAP@.5:.95",
}
_SUFFIXES = {"(B)": "", "(M)": "(M)", "(P)": "(P)"}
"""What Ultralytics calls the metrics of boxes, masks and poses → what tells them apart in the store."""
_RATE = re.compile(r"(?:x/lr|lr/pg)(\d{1,3})")
_EPOCH = re.compile(r"\d{1,7}")
_NUMBER = re.compile(NUMBER)
_MOST_COLUMNS = 64


def read_titles(text: str) -> list[Token]:
    names = [name.strip() for name in text.removeprefix("\ufeff").split(",")]
    if names[0] != "epoch" or len(names) > _MOST_COLUMNS:
        return []
    columns = tuple(stored_name(name) for name in names[1:])
    if len(set(columns)) < len(columns) or not {"P", "R", "mAP@.5", "mAP@.5:.95"} <= set(columns):
        return []
    # Only Ultralytics, and YOLOv5's segmentation, tell the metrics of boxes from others: the first row has to show.
    return [EpochHeader(NAME, columns, first_epoch=0 if "metrics/precision" in names else None)]


def read(text: str, titles: Titles) -> list[Token]:
    epoch, *numbers = [field.strip() for field in text.split(",")]
    columns = titles.columns or ()
    if not _EPOCH.fullmatch(epoch) or len(numbers) != len(columns) or not all(map(_NUMBER.fullmatch, numbers)):
        return read_titles(text)
    values = dict(zip(columns, numbers, strict=True))
    metrics = {name: values.pop(name) for name in columns if is_metric(name)}
    return [ResultsRow(NAME, int(epoch), int(epoch), values, metrics, counts_from=1, last_column=columns[-1])]


def stored_name(name: str) -> str:
    """The store's name of a column: metrics have those of YOLOv7, training losses lose what stands before them."""
    bare, suffix = (name[:-3], name[-3:]) if name[-3:] in _SUFFIXES else (name, "")
    if bare in _METRICS:
        return _METRICS[bare] + _SUFFIXES.get(suffix, "")
    if match := _RATE.fullmatch(name):
        return f"lr/{int(match[1])}"
    return name.removeprefix("train/")[:60]


def is_metric(name: str) -> bool:
    """Whether a column that has the store's name is one of a validation's metrics."""
    return name.removesuffix("(M)").removesuffix("(P)") in ("P", "R", "mAP@.5", "mAP@.5:.95")
