"""What NVIDIA's quantization of YOLOv7 saves beside its models: `summary.json` and `sensitive-summary.json`.

The first is a list of pairs `["PTQ", 0.5100]`: a model and its AP. The second holds them the other way round, and by
layer: `[0.5097, "model.2"]` is the AP with everything quantized but that layer, and `PTQ` stands for none. Unverified:
there are no such files here.
"""

import re

from engine.contracts.facts import CocoLine, Fact, LogFormat, StageEvent

NAME = "nvidia-summary"
VERIFIED = False
MOST_BYTES = 32 << 10
"""YOLOv7 has some hundred layers; more is another file."""
_TEXT = rb'"[^"\\\x00-\x1f]{1,200}"'
_NUMBER = rb"\d{1,3}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?|NaN"
_PAIR = re.compile(
    rb"\s*\[\s*(?:(?P<name>" + _TEXT + rb")\s*,\s*(?P<ap>" + _NUMBER + rb")|(?P<layer_ap>" + _NUMBER + rb")\s*,"
    rb"\s*(?P<layer>" + _TEXT + rb"))\s*\]\s*(?P<end>,|\])"
)
_MOST_PAIR = 512
_MODEL = re.compile(r"(?:Origin|Float|FP16|FP32|PTQ|QAT)[\w .-]*", re.IGNORECASE)
_LAYER = re.compile(r"model\.\d{1,4}[\w.]*|PTQ")
_BEGIN = re.compile(rb"\s*(?:\[\s*(?:\[|$)|$)")


def is_summary(head: bytes) -> bool | None:
    """Whether a file that begins so, and has ended, is one of the two; None when that is open and more may come."""
    if not _BEGIN.match(head[:_MOST_PAIR]) or len(head) > MOST_BYTES:
        return False
    begin = head.find(b"[") + 1
    if not begin:
        return None if len(head) < _MOST_PAIR else False
    at = begin
    while match := _PAIR.match(head, at):
        at = match.end()
        if match["end"] == b"]":
            return not head[at:].strip() and _is_named(head)
    return None if len(head) - at < _MOST_PAIR and head[at:].lstrip()[:1] in (b"", b"[") else False


def read_summary(data: bytes) -> list[Fact]:
    """The facts of a file that is one of the two."""
    facts: list[Fact] = [LogFormat(NAME, 0)]
    layers: list[list[str]] = []
    for match in _PAIR.finditer(data, data.find(b"[") + 1):
        if match["name"]:
            number = len(facts) - 1
            facts.append(CocoLine("AP", _ap(match["ap"]), number, label=_text(match["name"])))
        else:
            layers.append([_text(match["layer"]), _ap(match["layer_ap"])])
    return [*facts, StageEvent("layer sensitivity", {"metric": "AP", "without": layers})] if layers else facts


def _is_named(data: bytes) -> bool:
    """Whether all names are those of models, or all of layers, and no number is larger than an AP."""
    pairs = list(_PAIR.finditer(data, data.find(b"[") + 1))
    if any(float(pair["ap"] or pair["layer_ap"]) > 1 for pair in pairs):
        return False
    if all(pair["name"] for pair in pairs):
        return all(_MODEL.fullmatch(_text(pair["name"])) for pair in pairs)
    return all(pair["layer"] and _LAYER.fullmatch(_text(pair["layer"])) for pair in pairs)


def _text(quoted: bytes) -> str:
    return quoted[1:-1].decode(errors="replace")


def _ap(number: bytes) -> str:
    return "nan" if number == b"NaN" else number.decode()
