"""Tables of single layers: calibrated ranges, sensitivity and the plan made from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from app.formatting import ABSENT, signed
from app.runs.log_format import sensitive_layers
from db.views import RunDetail


@dataclass(frozen=True)
class LayerTable:
    """One row per layer."""

    headers: tuple[str, ...]
    """The first column is the layer, the second the number that `share` refers to; both are always shown."""
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]
    """The number of each row as a share of the largest, 0 to 1."""
    notes: tuple[str, ...] = ()
    """Sentences about the table as a whole."""


def layer_table(detail: RunDetail) -> LayerTable | None:
    """Return the layer table of a run; None if it has none.

    Args:
        detail: of `ptq`, `sensitivity`, or of a log of NVIDIA's yolov7_qat.
    """
    return _sensitivity(detail) or _calibration(detail) or _printed(detail)


def _sensitivity(detail: RunDetail) -> LayerTable | None:
    payload = _event(detail, "sensitivity")
    rows = _measured(detail.details.get("sensitivity") or payload.get("rows"))
    if not rows:
        return None
    is_map = (detail.details.get("method") or payload.get("method")) == "map"
    plan = (_sequence(detail.details.get("plan")) or [_event(detail, "plan")])[-1]
    floating = {name for name in _sequence(_mapping(plan).get("floating")) if isinstance(name, str)}
    largest = max((abs(row["error"]) for row in rows if math.isfinite(row["error"])), default=0.0) or 1e-30
    unit = (
        "won back: points of mAP@.5:.95, with this one alone in float"
        if is_map
        else "error: of the head, with this one alone in int8"
    )
    notes = [unit]
    if _is_number(_mapping(plan).get("int8_share")):
        notes.append(
            f"plan: {len(floating)} of {len(rows)} stay float, {plan['int8_share']:.1%} of the multiply-adds in int8"
        )
    return LayerTable(
        ("LAYER", "WON BACK" if is_map else "ERROR", "M MULTIPLY-ADDS", "PLAN"),
        tuple(
            (
                row["name"],
                signed(row["error"]) if is_map else f"{row['error']:.3g}",
                f"{row['multiply_adds'] / 1e6:.1f}" if _is_number(row.get("multiply_adds")) else ABSENT,
                "float" if row["name"] in floating else "int8",
            )
            for row in rows
        ),
        tuple(min(abs(row["error"]) / largest, 1.0) for row in rows),
        tuple(notes),
    )


def _calibration(detail: RunDetail) -> LayerTable | None:
    payload = _mapping(detail.details.get("calibration")) or _event(detail, "calibration")
    ranges = _sequence(detail.details.get("ranges")) or _sequence(payload.get("quantizers"))
    rows = [row for row in ranges if _is_range(row) and row.get("kind") == "input"]
    if not rows:
        return None
    widths = {r["name"]: r.get("bits") for r in ranges if _is_range(r) and r.get("kind") == "weight"}
    largest = max(max(row["amax"] for row in rows), 1e-30)
    calibrator, images, size = (payload.get(key, "?") for key in ("calibrator", "images", "image_size"))
    notes = [f"{calibrator} on {images} images of {size} px"]
    tried = [f"{name} {value:.4g}" for name, value in _mapping(payload.get("tried")).items() if _is_number(value)]
    if tried:
        notes.append(f"tried: {', '.join(tried)}")
    floating = _sequence(detail.details.get("float_convolutions")) or _sequence(payload.get("floating"))
    notes.append(f"stay float: {', '.join(map(str, floating)) or 'none'}")
    notes += [str(warning) for warning in _sequence(payload.get("warnings"))]
    return LayerTable(
        ("INPUT OF", "RANGE ±", "BITS", "WEIGHTS", "ONE SCALE WITH"),
        tuple(
            (
                row["name"],
                f"{row['amax']:.4g}",
                str(row.get("bits", ABSENT)),
                str(widths.get(row["name"]) or ABSENT),
                ", ".join(str(name) for name in _sequence(row.get("convolutions")) if name != row["name"]) or ABSENT,
            )
            for row in rows
        ),
        tuple(row["amax"] / largest for row in rows),
        tuple(notes),
    )


def _printed(detail: RunDetail) -> LayerTable | None:
    """Return the table of NVIDIA's analysis: the AP with all layers but one quantized."""
    pairs = sensitive_layers(detail)
    if not pairs:
        return None
    values = [float(text) for _, text in pairs]
    least, span = min(values), max(max(values) - min(values), 1e-30)
    return LayerTable(
        ("LEFT FLOAT", "AP"),
        tuple(pairs),
        tuple((value - least) / span for value in values),
        ("AP of the model with all but this one quantized",),
    )


def _event(detail: RunDetail, kind: str) -> Mapping[str, Any]:
    """Return the payload of the last event of a kind; empty if malformed, because a log may contain anything."""
    return next((_mapping(event.payload) for event in reversed(detail.events) if event.kind == kind), {})


def _measured(rows: Any) -> list[dict[str, Any]]:
    """Return the rows with a layer and an error; `result.json` has null for infinity, which JSON lacks."""
    named = [row for row in _sequence(rows) if isinstance(row, Mapping) and isinstance(row.get("name"), str)]
    payload = [{**row, "error": math.inf if row.get("error", "") is None else row.get("error")} for row in named]
    return [row for row in payload if _is_number(row["error"])]


def _is_range(row: Any) -> bool:
    return isinstance(row, Mapping) and isinstance(row.get("name"), str) and _is_number(row.get("amax"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
