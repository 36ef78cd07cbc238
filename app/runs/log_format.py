"""What a run's log says beside epochs and evaluations: whose it is, and which layers suffer from quantization."""

import math

from db.views import RunDetail


def log_dialect(detail: RunDetail) -> str:
    """By what the log was told to be last; empty where nothing tells, as for runs of ours."""
    payload_values = [event.payload.get("dialect") for event in detail.events if event.kind == "log format"]
    if payload_values and isinstance(payload_values[-1], str):
        from engine.logs.registry import describe  # all the parsers, which few runs need

        return describe(payload_values[-1])
    foreign = [event.payload.get("text") for event in detail.events if event.kind == "foreign"]
    if foreign and not detail.epochs:
        return f"{foreign[-1]}, which is not read"
    return "yolov7" if detail.imported_from and detail.epochs else ""


def sensitive_layers(detail: RunDetail) -> list[tuple[str, str]]:
    """Layers, and the AP of the model with all but that one quantized as printed; what gains most comes first."""
    payload_values = [event.payload.get("without") for event in detail.events if event.kind == "layer sensitivity"]
    pairs = (
        [pair for pair in payload_values[-1] if _is_pair(pair)]
        if payload_values and isinstance(payload_values[-1], list)
        else []
    )
    return sorted(((layer, text) for layer, text in pairs), key=lambda pair: -float(pair[1]))


def _is_pair(value: object) -> bool:
    """Whether this is a layer and a number. A log may hold anything under that name."""
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(part, str) for part in value):
        return False
    try:
        return math.isfinite(float(value[1]))
    except ValueError:
        return False
