"""TensorBoard's event files, written by hand after the public formats, apart from the code that reads them."""

import struct
from collections.abc import Mapping


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """A TFRecord."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(value: int) -> bytes:
    """A whole number, seven bits to a byte."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(number: int, data: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(step: int, summary: bytes = b"", version: str = "") -> bytes:
    """An event: wall time, step, and a version or a summary."""
    data = varint(1 << 3 | 1) + struct.pack("<d", 1.7e9 + step)
    if step:
        data += varint(2 << 3) + varint(step)
    if version:
        data += message(3, version.encode())
    return record(data + (message(5, summary) if summary else b""))


def scalar(tag: str, value: float) -> bytes:
    """A value of a summary."""
    return message(1, message(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value))


def image(size: int) -> bytes:
    """A value of a summary that is an image of so many bytes."""
    return message(1, message(1, b"Mosaics") + message(4, bytes(size)))


def written(steps: Mapping[int, Mapping[str, float]], *, one_event: bool = False) -> bytes:
    """A file with scalars of steps, each an event of its own, or all of a step in one."""
    data = event(0, version="brain.Event:2")
    for step, values in steps.items():
        parts = [scalar(tag, value) for tag, value in values.items()]
        data += event(step, b"".join(parts)) if one_event else b"".join(event(step, part) for part in parts)
    return data


def yolov7(first: int = 0, epochs: int = 3) -> dict[int, dict[str, float]]:
    """What YOLOv7 and YOLOv5 write."""
    return {
        epoch: {
            "train/box_loss": 0.0625 / (epoch + 1),
            "train/obj_loss": 0.03125,
            "train/cls_loss": 0.0401,
            "metrics/precision": 0.7,
            "metrics/recall": 0.6,
            "metrics/mAP_0.5": 0.655,
            "metrics/mAP_0.5:0.95": 0.4 + 0.01 * epoch,
            "val/box_loss": 0.05,
            "val/obj_loss": 0.02,
            "val/cls_loss": 0.01,
            "x/lr0": 0.01,
            "x/lr1": 0.01,
            "x/lr2": 0.1,
        }
        for epoch in range(first, first + epochs)
    }


def ultralytics(epochs: int = 2) -> dict[int, dict[str, float]]:
    """What Ultralytics writes."""
    return {
        epoch: {
            "train/box_loss": 1.25,
            "train/cls_loss": 2.5,
            "train/dfl_loss": 1.125,
            "lr/pg0": 0.001,
            "metrics/precision(B)": 0.7,
            "metrics/recall(B)": 0.6,
            "metrics/mAP50(B)": 0.655,
            "metrics/mAP50-95(B)": 0.461,
            "val/box_loss": 1.5,
        }
        for epoch in range(1, epochs + 1)
    }
