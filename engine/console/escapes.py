"""Text that commands nothing: no escape sequence or control character of a log or record reaches a terminal."""

import re

_STRING = r"[^\x07\x1b\x80-\x9f\n]*"
"""What stands in a string: a title, the clipboard, a link, a picture. None goes past the end of its line."""
_ESCAPE = re.compile(
    r"[\x1b\x90\x98\x9b\x9d-\x9f](?:"  # one class at the start: `re` skips to it, several times as fast
    r"(?:(?<=\x1b)\[|(?<=\x9b))[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements, pasted text
    rf"|(?:(?<=\x1b)[\]PX^_]|(?<=[\x90\x98\x9d-\x9f])){_STRING}(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    r"|(?<=\x1b)[ -/]*[0-~]?)"  # sequences of two or three characters
)
_UNFINISHED = re.compile(
    rf"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_]{_STRING}\x1b?|[ -/]*)?|\x9b[0-?]*[ -/]*|[\x90\x98\x9d-\x9f]{_STRING}\x1b?)\Z"
)
_OTHERS = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""DEL, C1, line and paragraph separators, and what turns the direction of writing: the text would read as another."""
_CONTROL = re.compile(rf"[\x00-\x08\x0a-\x1f{_OTHERS}]")
_CONTROL_IN_LINES = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f{_OTHERS}]")


def without_escapes(text: str, *, keep_line_ends: bool = False) -> str:
    """Return the text without escape sequences, control characters and overrides of the direction of writing; tabs
    stay.

    Args:
        keep_line_ends: whether line feed and carriage return stay, too.
    """
    if text.isprintable():
        return text
    text = _ESCAPE.sub("", text)
    if text.isprintable():
        return text
    return (_CONTROL_IN_LINES if keep_line_ends else _CONTROL).sub("", text)


def unfinished_escape(text: str) -> int:
    """Return where an escape sequence begins that the text's end cuts off; the text's length when there is none."""
    match = _UNFINISHED.search(text)
    return match.start() if match else len(text)
