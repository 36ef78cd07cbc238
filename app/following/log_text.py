"""Clean log text for a terminal: escape sequences and control characters are removed."""

import codecs

from engine.console.escapes import unfinished_escape, without_escapes

_LONGEST_ESCAPE = 4096


def last_frame(line: str) -> str:
    """Return what a terminal shows of a line with redraws by carriage return: the last non-empty one."""
    if "\r" not in line:
        return line
    return next((frame for frame in reversed(line.split("\r")) if frame.strip()), "")


class LogText:
    """Decodes the bytes of a growing log into clean text, whatever offsets the reads are cut at."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """Return the clean text of the next bytes. Holds back the start of an escape sequence until it is complete."""
        text = self._held + self._decoder.decode(data)
        cut = unfinished_escape(text)
        if len(text) - cut >= _LONGEST_ESCAPE:
            cut = len(text)
        self._held = text[cut:]
        return without_escapes(text[:cut], keep_line_ends=True)

    def end(self) -> str:
        """Return the remaining text at the end of the log."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return without_escapes(text, keep_line_ends=True)
