"""The dialect of YOLOv5, from the GIoU column of 2020 to 7.0, with its segmentation."""

from functools import lru_cache

from engine.logs.dialects import titled_rows
from engine.logs.dialects.titles import Titles
from engine.logs.lexer.tokens import EpochHeader, Token

NAME = "yolov5"
VERIFIED = True
_TITLES = (
    ("gpu_mem", "GIoU", "obj", "cls", "total", "targets", "img_size"),
    ("gpu_mem", "box", "obj", "cls", "total", "targets", "img_size"),
    ("gpu_mem", "box", "obj", "cls", "labels", "img_size"),
    ("gpu_mem", "box", "seg", "obj", "cls", "labels", "img_size"),
    ("GPU_mem", "box_loss", "obj_loss", "cls_loss", "Instances", "Size"),
    ("GPU_mem", "box_loss", "seg_loss", "obj_loss", "cls_loss", "Instances", "Size"),
)
"""After `Epoch`. Releases 4.0 and 5.0 print just what YOLOv7 prints."""


def read_titles(text: str) -> list[Token]:
    line = text.strip()
    if line.startswith("Epoch") and (columns := _columns(*line.split()[1:])):
        return [EpochHeader(NAME, columns)]
    return titled_rows.read_validation_titles(line, NAME) if line.startswith("Class ") else []


def read(text: str, titles: Titles) -> list[Token]:
    is_titles = text.lstrip().startswith("Epoch")
    return (read_titles(text) if is_titles else []) or titled_rows.read(text, titles, NAME)


@lru_cache(maxsize=64)
def _columns(*names: str) -> tuple[str, ...] | None:
    """The columns of the only titles that these, which the terminal's edge may have cut, can be."""
    fitting = [titles for titles in _TITLES if _fits(names, titles)]
    if len(fitting) != 1:
        return None
    return tuple(titled_rows.RENAMED.get(name, name) for name in fitting[0])


def _fits(names: tuple[str, ...], titles: tuple[str, ...]) -> bool:
    if len(names) < 4 or len(names) > len(titles):
        return False
    return names[:-1] == titles[: len(names) - 1] and titles[len(names) - 1].startswith(names[-1])
