"""The dialect of NVIDIA's quantization-aware training of YOLOv7, which evaluates with YOLOv7's own table.

It prints the loss of single iterations and never an epoch's: an epoch's row holds that of its last one, by that name.
"""

import re

from engine.contracts.facts import Note
from engine.logs.dialects import yolov7
from engine.logs.dialects.titles import Titles
from engine.logs.lexer.text import NUMBER
from engine.logs.lexer.tokens import EpochBar, Token, Understood, ValidationBar
from engine.logs.lexer.tqdm_bars import find_bar

NAME = "nvidia-qat"
VERIFIED = True
LOSS = "last_iteration_loss"
_ITERATION = re.compile(
    rf"QAT Finetuning (?P<epoch>\d{{1,7}}) / (?P<last>\d{{1,7}}), Loss: (?P<loss>{NUMBER}), "
    r"LR: (?P<rate>\d{1,9}(?:\.\d{1,20})?(?:e[-+]\d\d)?)(?=$|[: ])"
)
_LAYER = re.compile(rf"Top\d{{1,3}}: Using fp16 \S{{1,100}}, ap = {NUMBER}")
_KNOWN = (
    "Prepare Model ....",
    "Prepare Dataset ....",
    "Begining Calibration ....",
    "Begining Finetune ....",
    "Quantization : ",
    "Rules: model.",
    "Supervision: model.",
    "QAT Finished",
)
"""What it prints beside its rows, in its own spelling."""


def read_titles(text: str) -> list[Token]:
    line = text.strip()
    match = _ITERATION.match(line)
    if match is None:
        if line.startswith(_KNOWN):
            return [Understood()]
        return [Note("layer sensitivity", line)] if line.startswith("Top") and _LAYER.fullmatch(line) else []
    values = {LOSS: match["loss"], "lr/0": match["rate"]}
    return [EpochBar(int(match["epoch"]), int(match["last"]), values, find_bar(text), dialect=NAME, first_epoch=1)]


def read(text: str, titles: Titles) -> list[Token]:
    line = text.strip()
    if line.startswith("Save qat model to "):
        return [Note("checkpoint", line)]
    if line.startswith(("Top", *_KNOWN, "QAT Finetuning")):
        return read_titles(line)
    tokens = yolov7.read(text, Titles(yolov7.NAME))
    return [token._replace(dialect=NAME) if isinstance(token, ValidationBar) else token for token in tokens]
