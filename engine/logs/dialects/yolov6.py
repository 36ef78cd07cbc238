"""The dialect of YOLOv6: a table of losses, pycocotools' text, and a line that names the epoch that was evaluated."""

import re

from engine.contracts.facts import TrainingCompleted, ValidationRow
from engine.logs.dialects import titled_rows
from engine.logs.dialects.titles import Titles
from engine.logs.lexer.text import DECIMAL, NUMBER
from engine.logs.lexer.tokens import EpochHeader, OtherBar, Token, Understood

NAME = "yolov6"
VERIFIED = True
_TITLES = re.compile(r"Epoch(?P<lr>\s+lr)?(?P<losses>\s+iou_loss(?:\s+[a-z0-9]{1,20}_loss){1,8})")
_EVALUATED = re.compile(
    rf"Epoch: (?P<epoch>\d{{1,7}}) \| mAP@0\.5: (?P<half>{NUMBER}) \| mAP@0\.50:0\.95: (?P<all>{NUMBER})"
)
_COMPLETED = re.compile(rf"Training completed in ({DECIMAL}) hours\.")
_KNOWN = (
    "Train: Checking formats of ",
    "Train: Final numbers of valid images: ",
    "Val: Final numbers of valid images: ",
    "Convert to COCO format",
    "Training start...",
    "Evaluating speed.",
    "Evaluating mAP by pycocotools.",
    "Saving runs/",
)


def read_titles(text: str) -> list[Token]:
    line = text.strip()
    match = _TITLES.fullmatch(line)
    if match is None:
        return [Understood()] if line.startswith(_KNOWN) else []
    losses = match["losses"].split()
    columns = (*(["lr/0"] if match["lr"] else []), *losses)
    return [EpochHeader(NAME, columns)] if len(set(losses)) == len(losses) else []


def read(text: str, titles: Titles) -> list[Token]:
    line = text.strip()
    if line.startswith("Epoch"):
        return read_titles(line) or _read_evaluated(line)
    if match := _COMPLETED.match(line):
        return [TrainingCompleted(None, match[1])]
    if line.startswith(_KNOWN):
        return read_titles(line)
    return [_named(token) for token in titled_rows.read(line, titles, NAME)]


def _read_evaluated(line: str) -> list[Token]:
    match = _EVALUATED.fullmatch(line)
    if match is None:
        return []
    values = {"mAP@.5": match["half"], "mAP@.5:.95": match["all"]}
    return [ValidationRow("all", None, None, values, epoch=int(match["epoch"]))]


def _named(token: Token) -> Token:
    if isinstance(token, OtherBar) and token.phase.startswith("Inferencing model"):
        return OtherBar("val", token.bar)
    return token
