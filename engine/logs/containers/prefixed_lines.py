"""Logs with something before every line: a time stamp, a level, the name of a pod.

What stands there is learned from the lines: a pattern that nearly all of them begin with counts as a prefix if the log
parser understands more of the lines without it. No list of programs is kept.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from engine.contracts.facts import CocoLine, EpochRow, ModelSummary, TrainingCompleted, TrainingStarted, ValidationRow
from engine.logs.parser import LogParser

_SAMPLE_BYTES = 256 << 10
_SAMPLE_LINES = 200
_LEAST_LINES = 4
_LEAST_SHARE = 0.9
"""Of the lines that must begin with the prefix: others are continued or were written by another program."""
_MOST_PIECES = 40
_MOST_WORDS = 12
"""Different words in one place of a prefix: levels, months, hosts."""
_FACTS_SHARE = 0.5
"""A file that tells something of a training in so many of its lines, as one of results does, has no prefix."""
_PIECE = re.compile(r"[\w.,+-]+|.", re.ASCII | re.DOTALL)
_EVIDENCE = (EpochRow, ValidationRow, CocoLine, ModelSummary, TrainingStarted, TrainingCompleted)


def find_prefix(sample: bytes) -> re.Pattern[bytes] | None:
    """Return the pattern of the prefix that the lines of a log begin with; None if they have none."""
    lines = [line for line in sample[:_SAMPLE_BYTES].split(b"\n")[:-1] if line.strip()][:_SAMPLE_LINES]
    if len(lines) < _LEAST_LINES:
        return None
    understood, facts = _understood(lines)
    if facts >= _FACTS_SHARE * len(lines):
        return None
    best, best_score = None, (facts, understood)
    for pattern in _patterns(lines):
        stripped = [pattern.sub(b"", line, count=1) for line in lines]
        score = _understood(stripped)[::-1]
        if score > best_score:
            best, best_score = pattern, score
    return best


def without_prefixes(lines: Iterable[bytes], prefix: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield the lines without their prefix. Redraws of a bar have one before the first only."""
    for line in lines:
        yield prefix.sub(b"", line, count=1)


def _understood(lines: Sequence[bytes]) -> tuple[int, int]:
    """Return how many lines the parser understands, and how many facts of a training it finds."""
    parser = LogParser()
    frames = [line.rstrip(b"\r").rpartition(b"\r")[2] for line in lines]  # of a bar, the last redraw
    facts = [*parser.feed(b"\n".join(frames) + b"\n"), *parser.finish()]
    return parser.lines - parser.not_understood, sum(isinstance(fact, _EVIDENCE) for fact in facts)


def _patterns(lines: Sequence[bytes]) -> Iterator[re.Pattern[bytes]]:
    """Yield patterns that nearly all lines begin with, the shortest first, each ending before a word."""
    split = [_PIECE.findall(line[:400].decode("utf-8", "replace").lstrip(" ")) for line in lines]
    parts: list[str] = []
    for place in range(_MOST_PIECES):
        here = [pieces[place] for pieces in split if len(pieces) > place]
        part = _common(here, len(lines))
        if part is None:
            return
        parts.append(part)
        if part == re.escape(" ") or not part[-1].isalnum():
            pattern = re.compile(rf" {{0,6}}{''.join(parts)}".encode())
            if sum(pattern.match(line) is not None for line in lines) >= _LEAST_SHARE * len(lines):
                yield pattern


def _common(pieces: Sequence[str], lines: int) -> str | None:
    """Return a pattern of what stands in one place of the lines; None if that is too different."""
    if len(pieces) < _LEAST_SHARE * lines:
        return None
    counts: dict[str, int] = {}
    for piece in pieces:
        counts[piece] = counts.get(piece, 0) + 1
    most = max(counts, key=counts.__getitem__)
    if counts[most] >= _LEAST_SHARE * len(pieces):
        return re.escape(most)
    if all(len(piece) == 1 and not piece.isalnum() for piece in counts):
        return None
    words = [piece for piece in counts if not any(character.isdigit() for character in piece)]
    if sum(counts[word] for word in words) < (1 - _LEAST_SHARE) * len(pieces):
        return r"[\w.,+-]*\d[\w.,+-]*"  # numbers, times and identifiers
    return r"[\w.,+-]+" if len(counts) <= _MOST_WORDS else None
