"""Label files in YOLO format: one object per row, `class cx cy w h` or `class x1 y1 x2 y2 x3 y3 …`, in fractions."""

from dataclasses import dataclass, field

import numpy as np

BOX_COLUMNS = 5
MIN_POLYGON_COLUMNS = 7
ROUNDING_TOLERANCE = 1e-4
"""A coordinate may lie this far outside 0 to 1 by rounding; it is clipped."""


@dataclass
class LabelRows:
    """The content of one label file."""

    labels: np.ndarray
    """(n, 5) float32: class, cx, cy, w, h as fractions of the image."""
    segments: list[np.ndarray] = field(default_factory=list)
    """Empty if all rows are boxes; else one (k, 2) float32 polygon per row, with k = 0 for a box."""
    duplicates: int = 0
    """Number of rows that were dropped because they repeat an earlier one."""
    mistakes: list[str] = field(default_factory=list)
    """`LINE: what is wrong`, for every invalid row."""


def parse_labels(text: str, nc: int) -> LabelRows:
    """Parse the rows of a label file; invalid rows are reported in `mistakes` and dropped."""
    rows = [line.split() for line in text.splitlines()]
    labels = _parse_boxes([row for row in rows if row], nc)
    if labels is not None:
        return _without_duplicates(LabelRows(labels))
    result = LabelRows(np.zeros((0, BOX_COLUMNS), np.float32))
    valid_rows, segments = [], []
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        values, mistake = _parse_row(row, nc)
        if mistake:
            result.mistakes.append(f"{number}: {mistake}")
            continue
        polygon = values[1:].reshape(-1, 2) if len(values) > BOX_COLUMNS else np.zeros((0, 2), np.float32)
        valid_rows.append(values if len(values) == BOX_COLUMNS else np.r_[values[:1], polygon_box(polygon)])
        segments.append(polygon)
    if valid_rows:
        result.labels = np.stack(valid_rows).astype(np.float32)
        result.segments = segments if any(len(s) for s in segments) else []
    return _without_duplicates(result)


def polygon_box(polygon: np.ndarray) -> np.ndarray:
    """Return the box (cx, cy, w, h) around a polygon (k, 2)."""
    low, high = polygon.min(0), polygon.max(0)
    return np.concatenate([(low + high) / 2, high - low])


def _parse_boxes(rows: list[list[str]], nc: int) -> np.ndarray | None:
    """Parse all rows at once if each is a valid box, the usual case; None if any row must be parsed by itself."""
    if not rows:
        return np.zeros((0, BOX_COLUMNS), np.float32)
    if any(len(row) != BOX_COLUMNS for row in rows):
        return None
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError:
        return None
    classes, boxes = values[:, 0], values[:, 1:]
    valid = (classes >= 0) & (classes < nc) & (classes == np.floor(classes))
    if not (valid.all() and boxes.min() >= -ROUNDING_TOLERANCE and boxes.max() <= 1 + ROUNDING_TOLERANCE):
        return None
    boxes.clip(0, 1, out=boxes)
    return values.astype(np.float32)


def _parse_row(row: list[str], nc: int) -> tuple[np.ndarray, str]:
    """Return the numbers of a row and '', or an empty array and what is wrong."""
    empty = np.zeros(0, np.float32)
    if len(row) != BOX_COLUMNS and (len(row) < MIN_POLYGON_COLUMNS or len(row) % 2 == 0):
        return empty, (
            f"{len(row)} columns; a box has 5 (class cx cy w h), a polygon has an odd number from 7 on (class x1 y1 …)"
        )
    try:
        values = np.array(row, dtype=np.float64)
    except ValueError:
        return empty, f"not all of {' '.join(row)[:60]!r} are numbers"
    number = values[0]
    if not (number >= 0 and number == np.floor(number) and np.isfinite(number)):
        return empty, f"the class must be a whole number from 0 on, not {row[0]}"
    if number >= nc:
        return empty, f"class {int(number)} is out of range: the data set has {nc} classes (0 to {nc - 1})"
    if not (values[1:].min() >= -ROUNDING_TOLERANCE and values[1:].max() <= 1 + ROUNDING_TOLERANCE):
        return empty, "coordinates must lie between 0 and 1 (fractions of the image's width and height)"
    return np.concatenate([values[:1], values[1:].clip(0, 1)]).astype(np.float32), ""


def _without_duplicates(rows: LabelRows) -> LabelRows:
    if len(rows.labels) < 2:
        return rows
    _, first = np.unique(rows.labels, axis=0, return_index=True)
    if len(first) == len(rows.labels):
        return rows
    keep = np.sort(first)
    rows.duplicates = len(rows.labels) - len(keep)
    rows.labels = rows.labels[keep]
    rows.segments = [rows.segments[i] for i in keep] if rows.segments else []
    return rows
