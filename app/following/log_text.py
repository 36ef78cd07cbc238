"""Log text for a screen: no escape sequence or control character of a log ever reaches a terminal."""

import codecs

from engine.console.escapes import unfinished_escape, without_escapes

_LONGEST_ESCAPE = 4096


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
        cut = unfinished_escape(text)
        if len(text) - cut >= _LONGEST_ESCAPE:
            cut = len(text)
        self._held = text[cut:]
        return without_escapes(text[:cut], keep_line_ends=True)

    def end(self) -> str:
        """What is left when the log has ended."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return without_escapes(text, keep_line_ends=True)
