"""Compressed files, by their first bytes."""

import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from engine.contracts.errors import YoloqatError

_READ_BYTES = 1 << 20
_DAMAGED = (EOFError, OSError, lzma.LZMAError, zlib.error, ValueError)


def compression_of(head: bytes) -> str:
    """Return `gzip`, `bzip2`, `xz` or `zstd`; empty for anything else."""
    signatures = {b"\x1f\x8b\x08": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
    return next((name for signature, name in signatures.items() if head.startswith(signature)), "")


def expand(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what a compressed file holds, as far as it can be read; an empty piece at the end says that it is cut off.

    Raises:
        YoloqatError: the library that reads it is not installed.
    """
    with _OPENERS[name](file) as expanded:
        while True:
            try:
                piece = expanded.read(_READ_BYTES)
            except Exception as error:
                if not isinstance(error, _DAMAGED) and type(error).__module__.partition(".")[0] != "zstandard":
                    raise
                yield b""
                return
            if not piece:
                return
            yield piece


def _open_zstd(file: BinaryIO) -> BinaryIO:
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        raise YoloqatError(
            "compressed with zstd, which needs a package that is not installed",
            hint="pip install zstandard, or expand it: `unzstd FILE`.",
        ) from None
    reader: BinaryIO = zstandard.ZstdDecompressor().stream_reader(file)
    return reader


_OPENERS: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[dict-item,return-value]
    "bzip2": lambda file: bz2.BZ2File(file),  # type: ignore[dict-item,return-value]
    "xz": lambda file: lzma.LZMAFile(file),  # type: ignore[dict-item,return-value]  # noqa: SIM115
    "zstd": _open_zstd,
}
