"""Lines outside of tables, known by what they begin with. YOLOv5 and what stems from it print them alike."""

import re

from engine.contracts.facts import CheckpointStripped, Crash, ModelSummary, Note, TrainingCompleted, TrainingStarted
from engine.logs.lexer.text import COUNT, DECIMAL
from engine.logs.lexer.tokens import Evaluating, HeadMissing, LayersFused, NewProcess, Token, Understood

_BEGINNINGS = frozenset("SOVFs0123456789")
"""First letters of most of what is known here, so that nearly all other lines cost one look."""
_GROUPED = r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})"
"""A whole number, with commas between thousands or without."""
_SUMMARY = re.compile(
    rf"[\w.-]{{1,60}} [Ss]ummary(?P<fused> \(fused\))?: {COUNT} layers, {_GROUPED} parameters, {_GROUPED} gradients"
    rf"(?:, ({DECIMAL}) GFLOP[Ss])?"
)
_ROUNDED_SUMMARY = re.compile(r"Model Summary: \d+ layers, [\d.]+e\+\d+ parameters")
_STARTED = re.compile(rf"Starting training for {COUNT} epochs\.\.\.")
_COMPLETED = re.compile(rf"{COUNT} epochs completed in ({DECIMAL}) hours\.")
_STRIPPED = re.compile(rf"Optimizer stripped from (.+?),(?: saved as (.+?),)? ({DECIMAL})MB")
_VALIDATING = re.compile(r"Validating (\S.{0,1000}?)\.\.\.$")
_BANNER = re.compile(
    r"(?:YOLOR\s+(?:🚀 )?\S*|yoloqat|YOLO(?:v5)?\s+(?:🚀 )?\S+(?: Python-\S+)?)\s+torch[ -]\S+ (?:CPU|CUDA:|MPS)"
)
_ULTRALYTICS = re.compile(r"Ultralytics (?:YOLOv)?\d[\w.]*\s+(?:🚀 )?Python-\S+ torch-\S+")
_OPTIONS = re.compile(
    r"(?:training args are: )?Namespace\(|(?:\w+[/\\])?(?:train|val)\w*: (?:weights|data)="
    r"|(?:yolo[/\\])?engine[/\\]trainer: \w+="
)
_CANCELLED = re.compile(
    r"(?:slurmstepd|srun): error: \*{3} (?:JOB|STEP) \S{1,60} ON \S{1,200} CANCELLED AT .{1,200}\*{3}"
)
_CLEARML = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - clearml[\w.]* - (?P<level>[A-Z]{4,8})\b")
_WEIGHTS = re.compile(r"\bweights=\[?['\"]([^'\"]*)['\"]")
_WORKERS = re.compile(r"Using \d+ dataloader workers")
_LAYER = re.compile(r"\s*\d+\s*(?:-?\d+|\[[-\d, ]+\])\s+\d+\s+\d+\s{2}[\w.]+\s+\[")

_MODULE = re.compile(r"\)$|\([\w.]{1,60}\): [A-Z]\w{0,60}\(|(?:Model: )?[A-Z]\w{0,60}\($")
"""A line of a module as PyTorch prints it."""

_NOTES = (
    ("hyperparameters: ", "hyperparameters"),
    ("Transferred ", "transferred"),
    ("Scaled weight_decay", "optimizer"),
    ("Optimizer groups:", "optimizer"),
    ("optimizer: ", "optimizer"),
    ("Using SyncBatchNorm", "optimizer"),
    ("autoanchor: ", "autoanchor"),
    ("AutoAnchor: ", "autoanchor"),
    ("Image sizes ", "image sizes"),
    ("Logging results to ", "folder"),
    ("Results saved to ", "folder"),
    ("Resuming training ", "resumed"),
    ("Overriding model.yaml ", "model"),
    ("Using CUDA device", "device"),
    ("Stopping training early ", "early stop"),
    ("EarlyStopping: Training stopped early ", "early stop"),
    ("Speed: ", "speed"),
    ("pycocotools unable to run", "warning"),
    ("WARNING", "warning"),
    ("train: WARNING", "warning"),
    ("val: WARNING", "warning"),
    ("Loss is NaN", "warning"),
)
_NOTED = tuple(beginning for beginning, _ in _NOTES)
_KNOWN = (
    "tensorboard: ",
    "TensorBoard: ",
    "wandb: ",
    "ClearML: ",
    "ClearML results page: ",
    "Comet: ",
    "github: ",
    "albumentations: ",
    "AMP: ",
    "RepConv.fuse_repvgg_block",
    "IDetect.fuse",
    "Evaluating pycocotools mAP",
    "train: New cache created",
    "val: New cache created",
    "train: Fast image access",
    "val: Fast image access",
    "Convert model to Traced-model",
    "traced_script_module saved",
    "model is traced",
    "from  n    params  module",
    "Plotting labels to ",
    "Freezing layer ",
    "Closing dataloader mosaic",
    "Optimizer stripped from ",
    "nohup: ignoring input",
    "srun: ",
    "slurmstepd: ",
    "To update EarlyStopping(",
)
_PATTERNS = (_LAYER, _MODULE, _WORKERS, _ROUNDED_SUMMARY)


def read(line: str) -> Token | None:
    """The token of a line without white space at its ends; None when it is none of these."""
    if "ummary" in line and (match := _SUMMARY.search(line)):
        fused, layers, parameters, gradients, gflops = match.groups()
        parameters, gradients = parameters.replace(",", ""), gradients.replace(",", "")
        return ModelSummary(int(layers), int(parameters), int(gradients), gflops, fused=fused is not None)
    if line[:1] in _BEGINNINGS:
        if match := _STARTED.match(line):
            return TrainingStarted(int(match[1]))
        if match := _COMPLETED.match(line):
            return TrainingCompleted(int(match[1]), match[2])
        if match := _STRIPPED.match(line):
            return CheckpointStripped(match[1], match[3], match[2])
        if match := _VALIDATING.match(line):
            return Evaluating(match[1])
        if line.startswith(("slurm", "srun")) and _CANCELLED.match(line):
            return Crash(line, line)
        if line.startswith("Fusing layers..."):
            return LayersFused()
    return _read_start(line) or _read_note(line)


def is_banner(line: str) -> bool:
    """Whether a trainer says with this line what it is and what it runs on."""
    return line.startswith(("YOLO", "yoloqat", "Ultralytics")) and bool(_BANNER.match(line) or _ULTRALYTICS.match(line))


def is_options(line: str) -> bool:
    """Whether a program of a trainer prints its options with this line."""
    return bool(_OPTIONS.match(line))


def _read_start(line: str) -> NewProcess | None:
    if is_banner(line):
        return NewProcess(Note("device", line), is_repeated=bool(_ULTRALYTICS.match(line)))
    if is_options(line):
        weights = _WEIGHTS.search(line) if "task=" in line else None
        return NewProcess(Note("options", line), weights[1] if weights else None)
    return None


def _read_note(line: str) -> Token | None:
    if line.startswith("Streaming output truncated to the last"):
        return HeadMissing()
    if " - clearml" in line and (match := _CLEARML.match(line)):
        return Understood() if match["level"] in ("DEBUG", "INFO") else Note("warning", line)
    if line.startswith(_NOTED):
        return next(Note(kind, line) for beginning, kind in _NOTES if line.startswith(beginning))
    if "ignoring corrupt image/label: " in line or line.endswith("duplicate labels removed"):
        return Note("warning", line)
    is_known = line.startswith(_KNOWN) or any(pattern.match(line) for pattern in _PATTERNS)
    is_warning = "UserWarning: " in line or "TracerWarning: " in line
    return Understood() if is_known or is_warning or line.startswith("return _VF.") else None
