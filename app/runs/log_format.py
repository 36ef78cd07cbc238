"""Facts of a log besides epochs and evaluations: its dialect, and the sensitivity of layers."""

import math

from db.views import RunDetail


def log_dialect(detail: RunDetail) -> str:
    """Return the name of the last detected log dialect; empty where none was detected, as for our own runs."""
    dialects = [event.payload.get("dialect") for event in detail.events if event.kind == "log format"]
    if dialects and isinstance(dialects[-1], str):
        from engine.logs.registry import describe  # imports every dialect, which few runs need

        return describe(dialects[-1])
    foreign = [event.payload.get("text") for event in detail.events if event.kind == "foreign"]
    if foreign and not detail.epochs:
        return f"{foreign[-1]}, which yoloqat does not read"
    return "yolov7" if detail.imported_from and detail.epochs else ""


def inferred_notes(detail: RunDetail) -> list[str]:
    """Return what was inferred while the log was read, in words: numbers may be in doubt."""
    return [str(event.payload.get("text", "")) for event in detail.events if event.kind == "inferred"]


def sensitive_layers(detail: RunDetail) -> list[tuple[str, str]]:
    """Return (layer, AP as printed with all other layers quantized), the layer whose exclusion gains most first."""
    tables = [event.payload.get("without") for event in detail.events if event.kind == "layer sensitivity"]
    pairs = [pair for pair in tables[-1] if _is_pair(pair)] if tables and isinstance(tables[-1], list) else []
    return sorted(((layer, text) for layer, text in pairs), key=lambda pair: -float(pair[1]))


def _is_pair(value: object) -> bool:
    """Whether the value is a layer and a number: the log may contain anything."""
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(part, str) for part in value):
        return False
    try:
        return math.isfinite(float(value[1]))
    except ValueError:
        return False
