"""Where in a log a run begins: several trainings may have been printed into one file."""

import re
from collections.abc import Iterator

from engine.logs.text import MOST_CHARACTERS, decode, without_prefix
from engine.logs.words import is_banner, is_options

_CANDIDATE = re.compile(rb"Namespace\(|engine[/\\]trainer: |(?:train|val)\w*: (?:weights|data)=")
_EPOCHS = re.compile(r"\bepochs=\d")
"""Only trainings have epochs; an evaluation after one belongs to it."""
_LINES_BEFORE = 6
"""What a trainer prints before its options: a banner with a device per line, that it resumes, nohup's line."""
_BYTES_BEFORE = 4096


def training_starts(data: bytes) -> Iterator[int]:
    """Offsets of the lines with which a training tells its options, or of the banner right above them.

    Args:
        data: whole lines.
    """
    for match in _CANDIDATE.finditer(data):
        begins = max(data.rfind(b"\n", 0, match.start()), data.rfind(b"\r", 0, match.start())) + 1
        ends = data.find(b"\n", match.start())
        text = _text(data[begins : ends if ends >= 0 else len(data)])
        if is_options(text) and _EPOCHS.search(text):
            yield _banner_above(data, begins)


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
