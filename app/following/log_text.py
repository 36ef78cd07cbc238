"""Log text for a screen: no escape sequence or control character of a log ever reaches a terminal."""

import codecs
import re

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC and the other strings: titles, clipboards, links
    r"|\x1b[ -/]*[0-~]?"  # two-character sequences
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?|[ -/]*)?\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST_ESCAPE = 4096


def clean(text: str) -> str:
    """Text without escape sequences and control characters; tab, line feed and carriage return stay."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def last_frame(line: str) -> str:
    """What a terminal shows of a line whose redraws begin with a carriage return: the last one that isn't empty."""
    if "\r" not in line:
        return line
    return next((frame for frame in reversed(line.split("\r")) if frame.strip()), "")


class LogText:
    """Turns the bytes of a growing log into clean text, wherever the reads cut them."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """The clean text of the next bytes. The beginning of an escape sequence is held back until it is whole."""
        text = self._held + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        cut = unfinished.start() if unfinished and len(text) - unfinished.start() < _LONGEST_ESCAPE else len(text)
        self._held = text[cut:]
        return clean(text[:cut])

    def end(self) -> str:
        """What is left when the log has ended."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return clean(text)
