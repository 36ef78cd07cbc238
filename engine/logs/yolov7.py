"""The dialect of YOLOv7, which our own stages print, too."""

import re

from engine.contracts.facts import CheckpointStripped, ModelSummary, Note, TrainingCompleted, TrainingStarted
from engine.logs.bars import BarText, find_bar
from engine.logs.marks import (
    EpochBar,
    EpochHeader,
    HeadMissing,
    LayersFused,
    Mark,
    MetricsRow,
    NewProcess,
    OtherBar,
    Understood,
    ValidationBar,
)
from engine.logs.text import COUNT, DECIMAL, NUMBER

NAME = "yolov7"
COLUMNS = ("gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
_FIELD = 10
"""Width of the fields of an epoch's row."""

_HEADER = re.compile(r"Epoch\s+gpu_mem\s+box\s+obj\s+cls\s+total\s+(?:labels|l?a?b?e?l?$)")
_ROW = re.compile(
    rf"(?<!\S)(?P<epoch>\d{{1,7}})/(?P<last>\d{{1,7}})\s+(?P<gpu_mem>\d[\d.e+]*G)(?P<rest>(?:\s+{NUMBER}){{0,6}})"
    r"(?P<after>\S*)"
)
_VALIDATION = re.compile(r"Class\s+Images\s+Labels\s+P\s+R(?:\s+mAP@\S*|\s+mA?P?@?$|$)")
_METRICS_ROW = re.compile(
    rf"(?P<name>\S(?:.{{0,200}}\S)?)\s+(?P<images>\d{{1,12}})\s+(?P<labels>\d{{1,12}})(?P<rest>(?:\s+{NUMBER}){{4}})\s*$"
)
_SUMMARY = re.compile(rf"Model Summary: {COUNT} layers, {COUNT} parameters, {COUNT} gradients(?:, ({DECIMAL}) GFLOPS)?")
_STARTED = re.compile(rf"Starting training for {COUNT} epochs\.\.\.")
_COMPLETED = re.compile(rf"{COUNT} epochs completed in ({DECIMAL}) hours\.")
_STRIPPED = re.compile(rf"Optimizer stripped from (.+?),(?: saved as (.+?),)? ({DECIMAL})MB")
_BANNER = re.compile(r"(?:YOLOR\s+(?:🚀 )?\S*|yoloqat)\s+torch \S+ (?:CPU|CUDA:)")
_WEIGHTS = re.compile(r"\bweights=\[?['\"]([^'\"]*)['\"]")
_WORKERS = re.compile(r"Using \d+ dataloader workers")
_LAYER = re.compile(r"\s*\d+\s*(?:-?\d+|\[[-\d, ]+\])\s+\d+\s+\d+\s{2}[\w.]+\s+\[")

_NOTES = (
    ("hyperparameters: ", "hyperparameters"),
    ("Transferred ", "transferred"),
    ("Scaled weight_decay", "optimizer"),
    ("Optimizer groups:", "optimizer"),
    ("Using SyncBatchNorm", "optimizer"),
    ("autoanchor: ", "autoanchor"),
    ("Image sizes ", "image sizes"),
    ("Logging results to ", "folder"),
    ("Results saved to ", "folder"),
    ("Resuming training from ", "resumed"),
    ("Overriding model.yaml ", "model"),
    ("Speed: ", "speed"),
    ("pycocotools unable to run", "warning"),
    ("WARNING", "warning"),
    ("train: WARNING", "warning"),
    ("val: WARNING", "warning"),
    ("Loss is NaN", "warning"),
)
_KNOWN = (
    "tensorboard: ",
    "wandb: ",
    "RepConv.fuse_repvgg_block",
    "IDetect.fuse",
    "Evaluating pycocotools mAP",
    "train: New cache created",
    "val: New cache created",
    "Convert model to Traced-model",
    "traced_script_module saved",
    "model is traced",
    "from  n    params  module",
)


def read(text: str, columns: tuple[str, ...] | None) -> list[Mark]:
    """The marks of a line, in their order; empty when it is not of this dialect.

    Args:
        text: the line without escape sequences.
        columns: those of the last epoch header of any dialect, None before the first one. After another trainer's
            header nothing is read here: much of what it prints looks alike and means something else.
    """
    if columns not in (None, COLUMNS):
        return []
    line = text.strip()
    bar = find_bar(line)
    mark = _read_description(line if bar is None else line[: bar.start], bar, text, columns)
    if bar is None or mark is None:
        mark = mark or _read_words(line) or _read_metrics(line)
        return [mark] if mark else []
    # What another stream wrote before the bar's line was closed stands behind it.
    glued = line[bar.end :].strip()
    behind = _read_words(glued) or _read_metrics(glued) if glued else None
    return [mark, behind] if behind else [mark]


def _read_description(line: str, bar: BarText | None, text: str, columns: tuple[str, ...] | None) -> Mark | None:
    """Lines that are, or may be, the description of a bar."""
    if "/" in line:
        row = _ROW.search(line)
        if row is not None:
            return _epoch_bar(row, bar, text, columns)
    if line.startswith("Epoch") and _HEADER.search(line):
        return EpochHeader(NAME, COLUMNS)
    if "Class" in line and _VALIDATION.search(line):
        return ValidationBar(bar)
    if "Scanning " in line:
        if bar is None or bar.is_complete is not False:
            return Note("data", line.rstrip(": "))
        return OtherBar("scan", bar)
    if bar is not None and bar.total is not None:
        return OtherBar(" ".join(line.rstrip(": ").split())[:60], bar)
    return None


def _epoch_bar(row: re.Match[str], bar: BarText | None, text: str, columns: tuple[str, ...] | None) -> EpochBar | None:
    numbers = [row["gpu_mem"], *row["rest"].split()]
    whole = row["after"] == ":" and bar is not None
    if columns is None:
        # Another trainer's rows look alike; without titles only a whole row of just this width is one of ours.
        if not whole or len(numbers) != len(COLUMNS):
            return None
    elif row["after"] not in ("", ":"):
        return None
    if not whole and not _ends_with_a_whole_field(text):
        numbers.pop()
    return EpochBar(
        epoch=int(row["epoch"]),
        last_epoch=int(row["last"]),
        values=dict(zip(COLUMNS, numbers, strict=False)),
        bar=bar,
    )


def _ends_with_a_whole_field(text: str) -> bool:
    """Whether the last field of a row without a bar is certainly not cut: all eight stand where they are printed."""
    text = text.rstrip()
    if len(text) != 8 * _FIELD:
        return False
    fields = [text[at : at + _FIELD] for at in range(0, len(text), _FIELD)]
    return all(field.startswith(" ") and not field.endswith(" ") and len(field.split()) == 1 for field in fields)


def _read_words(line: str) -> Mark | None:
    """Lines known by what they begin with."""
    if match := _SUMMARY.search(line):
        layers, parameters, gradients, gflops = match.groups()
        return ModelSummary(int(layers), int(parameters), int(gradients), gflops, fused=False)
    if match := _STARTED.match(line):
        return TrainingStarted(int(match[1]))
    if match := _COMPLETED.match(line):
        return TrainingCompleted(int(match[1]), match[2])
    if match := _STRIPPED.match(line):
        return CheckpointStripped(match[1], match[3], match[2])
    if line.startswith("Fusing layers..."):
        return LayersFused()
    if _BANNER.match(line):
        return NewProcess(Note("device", line))
    if line.startswith("Namespace("):
        weights = _WEIGHTS.search(line) if "task=" in line else None
        return NewProcess(Note("options", line), weights[1] if weights else None)
    if line.startswith("Streaming output truncated to the last"):
        return HeadMissing()
    for beginning, kind in _NOTES:
        if line.startswith(beginning):
            return Note(kind, line)
    if (
        line.startswith(_KNOWN)
        or _LAYER.match(line)
        or _WORKERS.match(line)
        or "UserWarning: " in line
        or line.startswith("return _VF.")
    ):
        return Understood()
    return None


def _read_metrics(line: str) -> Mark | None:
    match = _METRICS_ROW.match(line)
    if match is None:
        return None
    values = dict(zip(METRICS, match["rest"].split(), strict=True))
    return MetricsRow(match["name"], int(match["images"]), int(match["labels"]), values)
