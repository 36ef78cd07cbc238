"""Trainers whose logs are not read here: their numbers must not be taken for those of others."""

import re

from engine.logs.lexer.tokens import EpochHeader

NAME = "unknown"
_TITLES = re.compile(
    r"Epoch\s+(?:gpu_mem|GPU_mem|iou_loss|lr)\b|Class\s+Images\s+\S+\s+\S+\s+\S+\s+[^\s\d]|classes\s+top1_acc\b"
)
_DAY = r"\d{4}[-/]\d\d[-/]\d\d"
_CLOCK = r"\d\d:\d\d:\d\d"
_TRAINERS = (
    ("YOLOX", re.compile(rf"{_DAY} {_CLOCK}(?:\.\d{{1,9}})? ?\| [A-Z]{{4,8}} {{0,5}}\| yolox\.")),
    (
        "OpenMMLab",
        re.compile(
            rf"{_DAY} {_CLOCK},\d{{3}} - mm\w{{1,20}} - [A-Z]{{4,8}} - |(?:\d\d/\d\d|{_DAY}) {_CLOCK} - mmengine - "
            r'|\{"env_info": |\{"mode": "(?:train|val)", "epoch": \d|\{"base_lr": '
        ),
    ),
    (
        "Lightning",
        re.compile(r"GPU available: (?:True|False)\b|Epoch \d{1,6}: .{0,200}v_num=|`Trainer\.fit` stopped: "),
    ),
    ("Transformers", re.compile(r"\{'(?:eval_)?loss': .{1,500}'epoch': |\*{5} Running (?:training|Evaluation) \*{5}")),
    (
        "TAO",
        re.compile(rf"{_DAY} {_CLOCK},\d{{3}} \[(?:TAO Toolkit|INFO)\]|INFO:tensorflow:epoch = |Validation cost: "),
    ),
    ("Keras", re.compile(r" {0,8}\d{1,9}/\d{1,9} (?:\[[=>.]{5,60}\]|[━─╸\s]{5,60}) - |Epoch \d{1,6}/\d{1,6}$")),
    ("Detectron2", re.compile(rf"\[\d\d/\d\d {_CLOCK} d2\.")),
    ("PaddleDetection", re.compile(rf"\[\d\d/\d\d {_CLOCK}\] ppdet\.")),
    ("DETR", re.compile(r"Epoch: \[\d{1,6}\] {1,4}\[ {0,6}\d{1,6}/\d{1,6}\] {1,4}eta: ")),
    ("Darknet", re.compile(r" {0,4}(?:\d{1,7}: )?\d{1,9}\.\d{1,9}, \d{1,9}\.\d{1,9} avg(?: loss)?, ")),
)


def read(line: str) -> EpochHeader | None:
    """The titles of an unknown table."""
    return EpochHeader(NAME, ()) if _TITLES.match(line) else None


def trainer_of(text: str) -> str | None:
    """Whose line it is, of the trainers that are known and not read."""
    return None if text[:1].islower() else next((name for name, pattern in _TRAINERS if pattern.match(text)), None)
