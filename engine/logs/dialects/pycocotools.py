"""The text of pycocotools, which trainers of all kinds print."""

import re

from engine.logs.lexer.tokens import CocoNumber, CocoType, Token, Understood

_LINE = re.compile(
    r"Average (?:Precision|Recall)\s+\((?P<kind>AP|AR)\) @\[ IoU=(?P<iou>0\.50:0\.95|0\.50|0\.75)\s*"
    r"\| area=\s*(?P<area>all|small|medium|large) \| maxDets=\s*(?P<most>\d+) \] = (?P<value>-?\d(?:\.\d+)?|nan)\s*$"
)
_KEYS = {
    ("AP", "0.50:0.95", "all"): "AP",
    ("AP", "0.50", "all"): "AP50",
    ("AP", "0.75", "all"): "AP75",
    ("AP", "0.50:0.95", "small"): "APs",
    ("AP", "0.50:0.95", "medium"): "APm",
    ("AP", "0.50:0.95", "large"): "APl",
    ("AR", "0.50:0.95", "small"): "ARs",
    ("AR", "0.50:0.95", "medium"): "ARm",
    ("AR", "0.50:0.95", "large"): "ARl",
}
_TYPE = re.compile(r"Evaluate annotation type \*(bbox|segm|keypoints)\*")
_SUFFIXES = {"bbox": "", "segm": "(M)", "keypoints": "(P)"}
"""What is evaluated → what tells its numbers from those of boxes."""
_KEYPOINTS = "20"
"""So many detections to an image are counted of keypoints alone."""
_KNOWN = re.compile(
    r"(?:loading annotations into memory|creating index|index created|Loading and preparing results"
    r"|Running per image evaluation|Accumulating evaluation results)\b"
    r"|(?:Done|DONE) \(t=[\d.]+s\)"
)


def read(line: str) -> Token | None:
    """The token of a line, None when pycocotools has not printed it."""
    if match := _LINE.search(line):
        key = _KEYS.get((match["kind"], match["iou"], match["area"]))
        if match["kind"] == "AR" and match["area"] == "all" and match["iou"] == "0.50:0.95":
            key = f"AR{match['most']}"
        suffix = _SUFFIXES["keypoints"] if match["most"] == _KEYPOINTS else None
        return CocoNumber(key, match["value"], suffix) if key else None
    if match := _TYPE.match(line):
        return CocoType(_SUFFIXES[match[1]])
    return Understood() if _KNOWN.match(line) else None
