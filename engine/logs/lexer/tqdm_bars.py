"""Progress bars in the text format of tqdm, wherever they stand in a line and wherever they are cut."""

import re
from functools import lru_cache
from typing import NamedTuple

_BAR = re.compile(
    r"(?P<percent>\d{1,3})%"
    r"(?:\|[^|\r\n]{0,300}(?:\||$)| )"  # cells, or none where the width is 0
    r"(?: ?(?P<done>\d{1,15})/(?P<total>\d{1,15})(?!\d)"
    r"(?: \[(?P<elapsed>[\d:]+)<(?P<remaining>[\d:]+|\?)(?:, *(?P<rate>[^\]\[]{1,24}))?(?P<end>\])?)?)?"
)
WHOLE_BAR = r"(\d{1,3})%\|[^|\r\n]{0,300}\| ?(\d{1,15})/(\d{1,15}) \[([\d:]+)<([\d:]+|\?), *([^\]\[]{1,24})\]"
"""A bar that nothing has cut. Its six groups are the last arguments of `whole_bar`."""
_WHOLE = re.compile(WHOLE_BAR)
_CLOCK = re.compile(r"\d{1,9}(?::\d{1,2}){1,2}")

_MOST_PERCENT_DIGITS = 3


_CUT_PERCENT = re.compile(r"(?<=:)\s*\d{1,3}%?$")
"""The beginning of a bar behind the colon of its description: the terminal's edge has cut all of it but digits."""


def without_cut_bar(line: str) -> str:
    """Return a description without the digits of a bar that the terminal's edge has cut."""
    return line if line[-1:] not in _DIGITS else _CUT_PERCENT.sub("", line)


_DIGITS = frozenset("0123456789%")


class BarText(NamedTuple):
    """A bar as it was drawn; what the terminal's edge cut off is None."""

    start: int
    """Where the percentage begins in the line."""
    end: int
    """Where the text after the bar begins."""
    percent: int
    done: int | None = None
    total: int | None = None
    elapsed_seconds: float | None = None
    remaining_seconds: float | None = None
    rate: str = ""

    @property
    def is_complete(self) -> bool | None:
        """Whether the last item was counted; None when it cannot be told."""
        if self.done is not None and self.total:
            return self.done >= self.total
        return False if self.percent < 99 else None


def find_bar(text: str) -> BarText | None:
    """The first bar of a line, or None."""
    percent = text.find("%")
    if percent < 0:
        return None
    start = percent
    while percent - start < _MOST_PERCENT_DIGITS and start and text[start - 1].isdecimal():
        start -= 1
    if whole := _WHOLE.match(text, start):
        return whole_bar(start, whole.end(), *whole.groups())
    match = _BAR.search(text, max(percent - 3, 0))  # no bar begins sooner, and most lines have long descriptions
    if match is None:
        return None
    done, total, elapsed = match["done"], match["total"], match["elapsed"]
    if elapsed is None and match.end() == len(text):
        total = None  # its last digits may be missing
        done = done if total else None
    return BarText(
        start=match.start(),
        end=match.end(),
        percent=int(match["percent"]),
        done=int(done) if done else None,
        total=int(total) if total else None,
        elapsed_seconds=seconds(elapsed),
        remaining_seconds=seconds(match["remaining"]) if match["rate"] else None,
        rate=(match["rate"] or "").strip() if match["end"] else "",
    )


def whole_bar(
    start: int, end: int, percent: str, done: str, total: str, elapsed: str, remaining: str, rate: str
) -> BarText:
    """The bar that `WHOLE_BAR` has matched."""
    return BarText(start, end, int(percent), int(done), int(total), seconds(elapsed), seconds(remaining), rate.strip())


@lru_cache(maxsize=1024)
def seconds(clock: str | None) -> float | None:
    """`MM:SS` or `H:MM:SS` in seconds; None when it is neither."""
    if not clock or not _CLOCK.fullmatch(clock):
        return None
    total = 0
    for part in clock.split(":"):
        total = total * 60 + int(part)
    return float(total)
