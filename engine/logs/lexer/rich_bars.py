"""The progress bars of newer Ultralytics: `9% ━─────────── 609/6848 2.7it/s 3:38<38:10`."""

import re

from engine.logs.lexer.tqdm_bars import BarText, find_bar, seconds

_CELLS = "━─╸╺"
_CLOCK = r"\d{1,9}(?::\d{2}){1,2}(?![\d:])|\d{1,9}(?:\.\d{1,3})?s"
_BAR = re.compile(
    rf"(?P<percent>\d{{1,3}})% [{_CELLS}]{{1,300}}"
    rf"(?: (?P<done>\d{{1,15}})/(?P<total>\d{{1,15}})(?![\d.KMGTB])"
    rf"(?P<clock>(?: (?P<rate>\d[\d.]{{0,15}}[kKMGT]?(?:it/s|s/it)))? {{1,2}}(?P<elapsed>{_CLOCK})"
    rf"(?:<(?P<remaining>{_CLOCK}))?)?)?"
)


def find_any_bar(text: str) -> BarText | None:
    """The first bar of a line in this format or in that of tqdm, or None."""
    if "━" not in text and "─" not in text:
        return find_bar(text)
    match = _BAR.search(text)
    if match is None:
        return None
    done, total = match["done"], match["total"]
    if match["clock"] is None and match.end() == len(text):
        total = done = None  # its last digits may be missing
    return BarText(
        start=match.start(),
        end=match.end(),
        percent=int(match["percent"]),
        done=int(done) if done else None,
        total=int(total) if total else None,
        elapsed_seconds=_seconds(match["elapsed"]),
        remaining_seconds=_seconds(match["remaining"]),
        rate=match["rate"] or "",
    )


def _seconds(clock: str | None) -> float | None:
    if clock is not None and clock.endswith("s"):
        return float(clock[:-1])
    return seconds(clock)
