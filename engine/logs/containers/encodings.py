"""Text that is not UTF-8: what PowerShell writes with `>` and Tee-Object, and byte order marks."""

import codecs
from collections.abc import Iterable, Iterator

_UTF8_MARK = codecs.BOM_UTF8
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_LEAST_SHARE = 0.9
"""Of the characters at the head of UTF-16 without a mark that must be ASCII."""


def encoding_of(head: bytes) -> str:
    """Return `utf-16-le` or `utf-16-be`, `utf-8-sig` for UTF-8 with a byte order mark; empty for anything else."""
    if head.startswith(_UTF8_MARK):
        return "utf-8-sig"
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    pairs = len(head) // 2
    if pairs < 8:
        return ""
    for name, zero, text in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zero[:pairs].count(0) >= _LEAST_SHARE * pairs and text[:pairs].count(0) == 0:
            return name
    return ""


def to_utf8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the text as UTF-8 without its byte order mark. What is damaged becomes a replacement character."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    is_first = True
    for piece in _with_end(pieces):
        text = decoder.decode(piece or b"", final=piece is None)
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
        yield text.encode("utf-8", errors="replace")


def _with_end(pieces: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from pieces
    yield None
