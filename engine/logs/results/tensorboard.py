"""TensorBoard's event files: records with checksums, around the few fields of protocol buffers that hold a scalar.

After the public formats: TFRecord (length, its masked CRC-32C, data, its masked CRC-32C) and `event.proto`,
`summary.proto`. Unverified: there is no trainer's file here to hold it against.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NAME = "tensorboard"
VERIFIED = False
HEAD_BYTES = 12
"""As many show what a file is: the length of a first record and its checksum."""
_MOST_DATA = 64 << 10
"""Larger records hold images and graphs: they are passed over, and not checked."""
_FIRST_RECORD = 1024
"""The first record only names the format's version."""
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_MOST_TAG = 200
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int | bytes]


def _table() -> tuple[int, ...]:
    """CRC-32C, reflected polynomial 0x82F63B78, byte by byte."""
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE = _table()


def masked_crc(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C, turned by 15 bits, and a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def is_event_file(head: bytes) -> bool | None:
    """Whether a file that begins so is one of TensorBoard's; None when more has to be seen."""
    if len(head) < HEAD_BYTES:
        return None if not any(head[2:8]) else False
    length, crc = _LENGTH.unpack_from(head)[0], _CRC.unpack_from(head, 8)[0]
    return 0 < length <= _FIRST_RECORD and bool(crc == masked_crc(head[:8]))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number of a step, as a trainer wrote it."""

    step: int
    tag: str
    value: float


class RecordReader:
    """Records out of a growing event file, in whatever pieces it comes; memory is bounded, and nothing is raised.

    A file that is broken gives what stands before the break, and `broken` says why nothing more is read.
    """

    def __init__(self) -> None:
        self.records = 0
        self.broken: str | None = None
        self._position = 0
        """Bytes that have been taken out of the buffer."""
        self._buffer = bytearray()
        self._skip = 0
        """Bytes of a large record that are yet to come."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of the records that the chunk completes; large ones are left out."""
        if self.broken is not None:
            return
        view = memoryview(chunk)
        for start in range(0, len(view), _MOST_DATA):
            self._buffer += view[start : start + _MOST_DATA]
            yield from self._records()
            if self.broken is not None:
                self._buffer.clear()
                return

    @property
    def is_cut(self) -> bool:
        """Whether the file ends in the midst of a record."""
        return self.broken is None and bool(self._buffer or self._skip)

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` goes on."""
        return {
            "records": self.records,
            "broken": self.broken,
            "position": self._position,
            "buffer": self._buffer.decode("latin-1"),
            "skip": self._skip,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "RecordReader":
        reader = cls()
        reader.records, reader.broken, reader._position = state["records"], state["broken"], state["position"]
        reader._buffer, reader._skip = bytearray(state["buffer"].encode("latin-1")), state["skip"]
        return reader

    def _records(self) -> Iterator[bytes]:
        while True:
            if self._skip:
                self._take(min(self._skip, len(self._buffer)), is_skipped=True)
            if self._skip or len(self._buffer) < HEAD_BYTES:
                return
            length = _LENGTH.unpack_from(self._buffer)[0]
            if _CRC.unpack_from(self._buffer, 8)[0] != masked_crc(bytes(self._buffer[:8])):
                self.broken = f"the length of the record at byte {self._position} is damaged"
                return
            if length > _MOST_DATA:
                self._take(HEAD_BYTES)
                self._skip = length + 4
                self.records += 1
                continue
            end = HEAD_BYTES + length
            if len(self._buffer) < end + 4:
                return
            data = bytes(self._buffer[HEAD_BYTES:end])
            if _CRC.unpack_from(self._buffer, end)[0] != masked_crc(data):
                self.broken = f"the record at byte {self._position} is damaged"
                return
            self._take(end + 4)
            self.records += 1
            yield data

    def _take(self, count: int, *, is_skipped: bool = False) -> None:
        del self._buffer[:count]
        self._position += count
        self._skip -= count if is_skipped else 0


def scalars(record: bytes) -> list[Scalar] | None:
    """The scalars of an event; None when it is no event."""
    step, summaries = 0, []
    for number, kind, value in _fields(record) or [(0, -1, b"")]:
        if kind < 0:
            return None
        if (number, kind) == (2, _VARINT) and isinstance(value, int):
            step = value
        elif (number, kind) == (5, _BYTES) and isinstance(value, bytes):
            summaries.append(value)
    if not 0 <= step < 1 << 31:
        return None
    found: list[Scalar] = []
    for summary in summaries:
        for number, kind, value in _fields(summary) or []:
            if (number, kind) == (1, _BYTES) and isinstance(value, bytes) and (scalar := _scalar(value, step)):
                found.append(scalar)
    return found


def _scalar(data: bytes, step: int) -> Scalar | None:
    tag, number = "", None
    for field, kind, value in _fields(data) or []:
        if (field, kind) == (1, _BYTES) and isinstance(value, bytes):
            tag = value[:_MOST_TAG].decode(errors="replace")
        elif (field, kind) == (2, _FIXED32) and isinstance(value, bytes):
            number = _FLOAT.unpack(value)[0]
    return None if number is None else Scalar(step, tag, number)


def _fields(data: bytes) -> list[Field] | None:
    """Number, wire type and value of each field of a message; None when it is none."""
    found: list[Field] = []
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            found.append((number, kind, value))
        else:
            size = 8 if kind == _FIXED64 else 4
            if kind == _BYTES:
                size, at = _varint(data, at)
            elif kind not in (_FIXED64, _FIXED32):
                return None
            if at > end or size > end - at:
                return None
            found.append((number, kind, data[at : at + size]))
            at += size
        if at > end:
            return None
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of up to ten bytes and where it ends; behind the end of the data when it is none."""
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    return 0, len(data) + 1


def float_text(value: float) -> str:
    """The shortest text that stands for a 32-bit float, as the file holds it."""
    packed = _FLOAT.pack(value)
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if _FLOAT.pack(float(text)) == packed:
            return text
    return f"{value:.9g}"
