"""Check which evaluations are comparable, and compute differences of printed numbers."""

from collections.abc import Mapping
from typing import Any

from db.views import EvaluationView, Number, RunDetail

MAIN_METRIC = "mAP@.5:.95"
METRICS = (
    "P",
    "R",
    "mAP@.5",
    MAIN_METRIC,
    "AP",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "AR1",
    "AR10",
    "AR100",
    "ARs",
    "ARm",
    "ARl",
)
"""Metrics in display order."""

_SETTING_NAMES = {
    "data": "other images or labels",
    "split": "split",
    "images": "images",
    "image_size": "image size",
    "letterbox": "letterbox",
    "conf_thres": "conf",
    "iou_thres": "IoU",
    "max_det": "detections per image",
}


def final_evaluation(detail: RunDetail) -> EvaluationView | None:
    """Return the last evaluation of a run with metrics, without the validations of epochs."""
    return next((e for e in reversed(detail.evaluations) if e.values and e.epoch is None), None)


def disagreement(one: EvaluationView, other: EvaluationView) -> str:
    """Return why two evaluations are not comparable, as text; empty if they are.

    Two logs that tell no settings are compared as long as they count the same images and labels.
    """
    if one.settings is not None and other.settings is not None:
        return settings_disagreement(one.settings, other.settings)
    if one.settings is not None or other.settings is not None:
        return "the evaluation settings of one are unknown"
    for name in ("images", "labels"):
        counts = getattr(one, name), getattr(other, name)
        if None not in counts and counts[0] != counts[1]:
            return f"{name} {counts[0]} ≠ {counts[1]}"
    return ""


def settings_disagreement(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return the settings in which two evaluations differ, as text; empty if they agree."""
    parts = []
    for key in dict.fromkeys([*_SETTING_NAMES, *one, *other]):
        values = one.get(key), other.get(key)
        if values[0] != values[1]:
            name = _SETTING_NAMES.get(key, key)
            parts.append(name if key == "data" else f"{name} {values[0]} ≠ {values[1]}")
    return ", ".join(parts)


def describe_settings(evaluation: EvaluationView | None) -> str:
    """Return the settings of an evaluation as text; empty if unknown."""
    if evaluation is None:
        return ""
    if evaluation.settings is not None:
        return settings_text(evaluation.settings)
    return f"{evaluation.images} images" if evaluation.images else ""


def settings_text(settings: Mapping[str, Any]) -> str:
    """Format evaluation settings: `200 images of val, 128 px square, conf .001, IoU .65`."""
    return (
        f"{settings.get('images')} images of {settings.get('split')}, "
        f"{settings.get('image_size')} px {settings.get('letterbox')}, "
        f"conf {_short(settings.get('conf_thres'))}, IoU {_short(settings.get('iou_thres'))}"
    )


def points(value: Number | None, reference: Number | None) -> float | None:
    """Return the difference of two fractions in points; None if one is not a number."""
    if value is None or reference is None or value.value is None or reference.value is None:
        return None
    return (value.value - reference.value) * 100


def _short(value: Any) -> str:
    return f"{value:g}".removeprefix("0") if isinstance(value, float) and 0 < value < 1 else str(value)
