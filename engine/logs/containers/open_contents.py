"""Opens a file as the bytes of its log, whatever it is in."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from engine.contracts.errors import YoloqatError
from engine.logs.containers.compressed import compression_of, expand
from engine.logs.containers.encodings import encoding_of, to_utf8
from engine.logs.containers.json_logs import json_kind, read_json
from engine.logs.containers.prefixed_lines import find_prefix, without_prefixes

_HEAD_BYTES = 4096
_READ_BYTES = 1 << 20
_MOST_LEVELS = 4
"""Of containers inside of containers: a compressed recording in UTF-16."""
_MOST_BYTES = 4 << 30
"""Of what a file expands to."""
_FREE_BYTES = 256 << 20
_LARGEST_RATIO = 200
"""Beyond `_FREE_BYTES`. Bars that redraw compress 20 to 60 times."""
_JSON_BYTES = 256 << 20
"""Of a file of JSON, which is read whole."""
_MEMORY_BYTES = 8 << 20
_SAMPLE_BYTES = 256 << 10


@dataclass
class Contents:
    """The bytes of a log."""

    file: BinaryIO
    """Seekable, at its beginning."""
    containers: list[str] = field(default_factory=list)
    """What the log was in, from the outside: `gzip`, `utf-16-le`; empty for a plain file."""
    is_cut: bool = False
    """A container was damaged or cut off: this is what could be read."""


@contextmanager
def open_contents(path: Path) -> Iterator[Contents]:
    """Open a file as the bytes of its log.

    Raises:
        OSError: it cannot be read.
        YoloqatError: it expands to too much, or a package is missing.
    """
    with path.open("rb") as file:
        contents = Contents(file)
        try:
            while len(contents.containers) < _MOST_LEVELS and _unwrap(contents, path):
                pass
            _strip_prefixes(contents, path)
            yield contents
        finally:
            if contents.file is not file:
                contents.file.close()


def _unwrap(contents: Contents, path: Path) -> bool:
    """Replace the file by what it contains; return whether it contained something."""
    source = contents.file
    head = source.read(_HEAD_BYTES)
    source.seek(0)
    if name := compression_of(head):
        pieces = expand(source, name)
    elif name := encoding_of(head):
        pieces = to_utf8(_pieces(source), name)
    elif name := json_kind(head):
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        if size > _JSON_BYTES:
            raise YoloqatError(f"a {name} of {size >> 20} MB is too large to be read", where=str(path))
        pieces = read_json(source.read(), name)
    else:
        return False
    expanded = _spool(contents, pieces, path)
    if name == "notebook" and not expanded.seek(0, os.SEEK_END):
        expanded.close()  # JSON that only looks like one
        source.seek(0)
        return False
    expanded.seek(0)
    contents.file = expanded
    contents.containers.append(name)
    return True


def _strip_prefixes(contents: Contents, path: Path) -> None:
    """Replace the file by its lines without what stands before each of them."""
    source = contents.file
    sample = source.read(_SAMPLE_BYTES)
    prefix = _known_prefix(sample) if b"\0" not in sample else None
    source.seek(0)
    if prefix is not None:
        stripped = _spool(contents, without_prefixes(source, prefix), path)
        stripped.seek(0)
        contents.file = stripped
        contents.containers.append("prefixed lines")


@lru_cache(maxsize=16)
def _known_prefix(sample: bytes) -> re.Pattern[bytes] | None:
    """Find the prefix of a log; a file is opened to be read and again to be copied."""
    return find_prefix(sample)


def _spool(contents: Contents, pieces: Iterator[bytes], path: Path) -> BinaryIO:
    size_on_disk = path.stat().st_size
    limit = max(_FREE_BYTES, size_on_disk, min(_MOST_BYTES, size_on_disk * _LARGEST_RATIO))
    spooled: BinaryIO = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # type: ignore[assignment]  # noqa: SIM115
    size = 0
    for piece in pieces:
        if not piece and compression_of(_head(contents.file)):
            contents.is_cut = True
        size += len(piece)
        if size > limit:
            spooled.close()
            raise YoloqatError(
                f"expands to more than {limit >> 20} MB", where=str(path), hint="Expand it, and import the log itself."
            )
        spooled.write(piece)
    return spooled


def _head(file: BinaryIO) -> bytes:
    place = file.tell()
    file.seek(0)
    head = file.read(8)
    file.seek(place)
    return head


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_READ_BYTES):
        yield piece
