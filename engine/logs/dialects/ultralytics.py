"""The dialect of Ultralytics since v8, whatever the task adds to the losses, and of YOLOv9.

Their titles of an epoch are the same, but Ultralytics counts from 1 and YOLOv9 from 0.
"""

import re

from engine.logs.dialects import titled_rows
from engine.logs.dialects.titles import Titles
from engine.logs.lexer.tokens import EpochHeader, Token

NAME = "ultralytics"
VERIFIED = True
_TITLES = re.compile(r"Epoch\s+GPU_mem(?P<losses>(?:\s+[a-z0-9]{1,20}_loss){2,8})\s+(?P<end>\S+)(?:\s+(?P<size>\S+))?")


def read_titles(text: str) -> list[Token]:
    line = text.strip()
    if line.startswith("Epoch") and (match := _TITLES.fullmatch(line)):
        losses = match["losses"].split()
        if len(set(losses)) == len(losses) and _is_end(match["end"], match["size"]):
            return [EpochHeader(NAME, ("gpu_mem", *losses, "labels", "img_size"), first_epoch=None)]
    return titled_rows.read_validation_titles(line, NAME) if line.startswith("Class ") else []


def read(text: str, titles: Titles) -> list[Token]:
    is_titles = text.lstrip().startswith("Epoch")
    return (read_titles(text) if is_titles else []) or titled_rows.read(text, titles, NAME)


def _is_end(instances: str, size: str | None) -> bool:
    """Whether these are the last two titles, which the terminal's edge may have cut."""
    if size is None:
        return "Instances".startswith(instances)
    return instances == "Instances" and "Size".startswith(size)
