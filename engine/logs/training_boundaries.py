"""Where in a log a run begins: several trainings may have been printed into one file."""

import re
from collections.abc import Iterator

from engine.logs.dialects.known_lines import is_banner, is_options
from engine.logs.lexer.text import MOST_CHARACTERS, decode, without_prefix

_CANDIDATES = (b"Namespace(", b"engine/trainer: ", b"engine\\trainer: ", b"weights=")
"""What stands in a line of options; looked for as they are, which is ten times as fast as any pattern."""
_EPOCHS = re.compile(r"\bepochs=\d")
"""Only trainings have epochs; an evaluation after one belongs to it."""
_LINE_END = re.compile(rb"[\r\n]")
_LABEL_BYTES = 200
"""What may stand before the options in their line: a launcher's label, a colour, the program's name."""
_LINES_BEFORE = 6
"""What a trainer prints before its options: a banner with a device per line, that it resumes, nohup's line."""
_BYTES_BEFORE = 4096


def training_starts(data: bytes) -> Iterator[int]:
    """Offsets of the lines with which a training tells its options, or of the banner right above them.

    Args:
        data: whole lines.
    """
    lines = {_beginning(data, at) for candidate in _CANDIDATES for at in _all(data, candidate)}
    for begins in sorted(lines - {-1}):
        ends = _LINE_END.search(data, begins)
        text = _text(data[begins : ends.start() if ends else len(data)])
        if is_options(text) and _EPOCHS.search(text):
            yield _banner_above(data, begins)


def _all(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + len(needle))


def _beginning(data: bytes, at: int) -> int:
    """The offset of the line, or of its redraw, at whose beginning something stands; -1 where it stands further in."""
    lowest = max(at - _LABEL_BYTES, 0)
    before = max(data.rfind(b"\n", lowest, at), data.rfind(b"\r", lowest, at))
    return before + 1 if before >= 0 else 0 if lowest == 0 else -1


def _banner_above(data: bytes, offset: int) -> int:
    """The offset of the first line of what introduces the options."""
    lowest = max(offset - _BYTES_BEFORE, 0)
    first, at = offset, offset
    for _ in range(_LINES_BEFORE):
        if at <= lowest:
            break
        at = data.rfind(b"\n", lowest, at - 1) + 1 or lowest
        text = _text(data[at:offset].partition(b"\n")[0])
        if is_banner(text) or text.startswith(("Resuming training ", "nohup: ")):
            first = at
    return first


def _text(line: bytes) -> str:
    return without_prefix(decode(line[: 4 * MOST_CHARACTERS])).strip()[:MOST_CHARACTERS]
