"""Headers of trainers whose rows are not read here: their numbers must not be taken for YOLOv7's."""

import re

from engine.logs.marks import EpochHeader

_HEADER = re.compile(r"Epoch\s+(?:gpu_mem|GPU_mem|iou_loss|lr)\b")


def read(line: str) -> EpochHeader | None:
    """The header of an unknown table of epochs."""
    return EpochHeader("unknown", ()) if line.startswith("Epoch") and _HEADER.match(line) else None
