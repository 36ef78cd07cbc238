"""Progress bars in the text format of tqdm, which YOLOv7's logs are made of and the parsers of `engine/logs` read."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TextIO, TypeVar

Item = TypeVar("Item")

BLOCKS = " ▏▎▍▌▋▊▉█"
ASCII_BLOCKS = " 123456789#"
CELLS_WITHOUT_TERMINAL = 10
SECONDS_BETWEEN_REDRAWS = 0.1
SECONDS_BETWEEN_REDRAWS_IN_A_FILE = 0.5
"""A redraw in a log file is a line of some 150 bytes that stays."""


class Bar(Generic[Item]):
    """A progress bar over an iterable, or moved by hand with `update`.

    Each redraw is a carriage return and the whole text; the newline comes with `close`. As with tqdm, a terminal's bar
    is cut at the terminal's edge, and any other stream gets a bar of ten cells that is never cut.
    """

    def __init__(
        self,
        iterable: Iterable[Item] | None = None,
        *,
        desc: str = "",
        total: int | None = None,
        unit: str = "it",
        file: TextIO | None = None,
    ) -> None:
        self.iterable = iterable
        self.desc = desc
        self.total = total if total is not None else _length(iterable)
        self.unit = unit
        self.file = file if file is not None else sys.stderr
        self.done = 0
        self._columns = _columns(self.file)
        self._blocks = BLOCKS if _can_encode(self.file, BLOCKS) else ASCII_BLOCKS
        self._interval = SECONDS_BETWEEN_REDRAWS if self._columns else SECONDS_BETWEEN_REDRAWS_IN_A_FILE
        self._started = self._drawn_at = time.monotonic()
        self._drawn_length = 0
        self._closed = False
        self._draw()

    def __iter__(self) -> Iterator[Item]:
        if self.iterable is None:
            raise TypeError("this bar was made without an iterable")
        try:
            for item in self.iterable:
                yield item
                self.update()
        finally:
            self.close()

    def __enter__(self) -> "Bar[Item]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def set_description(self, desc: str) -> None:
        """Change the text before the bar; it shows with the next redraw, the last one at the latest."""
        self.desc = desc

    def update(self, n: int = 1) -> None:
        """Count `n` more items, and redraw when the last redraw is long enough ago."""
        self.done += n
        if self.is_due:
            self._draw()

    @property
    def is_due(self) -> bool:
        """Whether the next `update` redraws: a description that is costly to make is only needed then."""
        return time.monotonic() - self._drawn_at >= self._interval

    def close(self) -> None:
        """Draw the final state and end the line. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self._draw()
        self.file.write("\n")
        self.file.flush()

    def text(self) -> str:
        """Return the bar as it stands."""
        elapsed = time.monotonic() - self._started
        return bar_text(self.desc, self.done, self.total, elapsed, self.unit, self._columns, self._blocks)

    def _draw(self) -> None:
        text = self.text()
        self.file.write("\r" + text.ljust(self._drawn_length))
        self.file.flush()
        self._drawn_length = len(text)
        self._drawn_at = time.monotonic()


def bar_text(
    desc: str,
    done: int,
    total: int | None,
    elapsed: float,
    unit: str = "it",
    columns: int | None = None,
    blocks: str = BLOCKS,
) -> str:
    """Return `{desc}: {percent}%|{bar}| {done}/{total} [{elapsed}<{remaining}, {rate}]`, cut to `columns`
    characters.
    """
    head = f"{desc}: " if desc else ""
    per_second = done / elapsed if elapsed > 0 and done else 0.0
    if not total:
        text = f"{head}{done}{unit} [{clock(elapsed)}, {rate(per_second, unit)}]"
        return text[:columns] if columns else text
    share = min(done / total, 1.0)
    remaining = clock((total - done) / per_second) if per_second else "?"
    left = f"{head}{100 * share:3.0f}%|"
    right = f"| {done}/{total} [{clock(elapsed)}<{remaining}, {rate(per_second, unit)}]"
    cells = max(1, columns - len(left) - len(right)) if columns else CELLS_WITHOUT_TERMINAL
    text = left + _cells(share, cells, blocks) + right
    return text[:columns] if columns else text


def clock(seconds: float) -> str:
    """Return `MM:SS`, or `H:MM:SS` from an hour on."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:d}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


def rate(per_second: float, unit: str = "it") -> str:
    """Return `3.41it/s`, `1.20s/it` below one a second, `?it/s` when unknown."""
    if not per_second:
        return f"?{unit}/s"
    return f"{per_second:5.2f}{unit}/s" if per_second >= 1 else f"{1 / per_second:5.2f}s/{unit}"


def _cells(share: float, cells: int, blocks: str) -> str:
    steps = len(blocks) - 1
    full, part = divmod(int(share * cells * steps), steps)
    bar = blocks[-1] * full
    if full < cells:
        bar += blocks[part] + blocks[0] * (cells - full - 1)
    return bar


def _columns(file: TextIO) -> int | None:
    """Return one column less than the terminal has, as tqdm uses; None if the stream is not a terminal."""
    try:
        return os.get_terminal_size(file.fileno()).columns - 1 or None if file.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None


def _can_encode(file: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _length(iterable: object) -> int | None:
    try:
        return len(iterable)  # type: ignore[arg-type]
    except TypeError:
        return None
