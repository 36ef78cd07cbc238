"""Option values that a stage chose itself (`auto`, empty): compared by the chosen value."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.comparing.evaluation_settings import final_evaluation
from db.views import RunDetail

_AUTO = "auto"
_DEVICE = re.compile(r"torch[ -]\S+ (?:(?P<cpu>CPU)\b|CUDA:(?P<index>\d+) )")
"""The device in the first line of a stage's log, chosen for an empty `--device`."""


@dataclass(frozen=True)
class Decision:
    """The value that the stage chose for an option."""

    value: str
    """The chosen value, which is compared."""
    text: str
    """The chosen value with the option: `mse (auto)`."""


def decisions(detail: RunDetail) -> dict[str, Decision]:
    """Return option name → decision, for those that the result or log of the stage records."""
    calibration = _calibration(detail)
    return {
        **dict(_calibrator(detail.options, calibration)),
        **dict(_bias_correction(detail.options, calibration)),
        **dict(_float_layers(detail)),
        **dict(_evaluated(detail)),
        **dict(_device(detail)),
    }


Decisions = Iterator[tuple[str, Decision]]


def _calibrator(options: Mapping[str, Any], calibration: Mapping[str, Any]) -> Decisions:
    chosen = calibration.get("calibrator")
    if options.get("calibrator") != _AUTO or not isinstance(chosen, str):
        return
    yield "calibrator", Decision(chosen, f"{chosen} ({_AUTO})")
    percentile = calibration.get("percentile")
    if chosen == "percentile" and percentile != options.get("percentile"):
        yield "percentile", Decision(str(percentile), f"{percentile} ({_AUTO})")


def _bias_correction(options: Mapping[str, Any], calibration: Mapping[str, Any]) -> Decisions:
    correction = calibration.get("bias_correction")
    if options.get("bias_correction") and isinstance(correction, Mapping) and correction.get("kept") is False:
        yield "bias_correction", Decision("no", "no (taken back)")


def _float_layers(detail: RunDetail) -> Decisions:
    """Return the layers that stay float: `default`, expressions and files may select the same ones."""
    layers = detail.details.get("float_convolutions")
    option = detail.options.get("keep_float")
    if not isinstance(layers, list) or not isinstance(option, Sequence):
        return
    names = " ".join(sorted(map(str, layers))) or "none"
    option_text = option if isinstance(option, str) else " ".join(map(str, option))
    yield "keep_float", Decision(names, names if names == option_text else f"{names} ({option_text})")


def _evaluated(detail: RunDetail) -> Decisions:
    """Return the evaluated image size and shape: rounded up to the model's stride, or those of the ONNX file."""
    final = final_evaluation(detail)
    settings = final.settings if final is not None and final.settings is not None else {}
    rules: Sequence[tuple[str, str, Callable[[Any], bool]]] = (
        ("img_size", "image_size", lambda value: isinstance(value, int)),
        ("letterbox", "letterbox", lambda value: isinstance(value, str)),
    )
    for option, setting, is_one in rules:
        requested, used = detail.options.get(option), settings.get(setting)
        if is_one(requested) and is_one(used) and requested != used:
            yield option, Decision(str(used), f"{used} ({requested})")


def _device(detail: RunDetail) -> Decisions:
    if detail.options.get("device") != "":
        return
    lines = (str(event.payload.get("text", "")) for event in reversed(detail.events) if event.kind == "device")
    match = next((match for line in lines if (match := _DEVICE.search(line))), None)
    if match is not None:
        device = "cpu" if match["cpu"] else match["index"]
        yield "device", Decision(device, f"{device} ({_AUTO})")


def _calibration(detail: RunDetail) -> Mapping[str, Any]:
    """Return the calibration recorded in `result.json`, else in the last event of the log."""
    calibration = detail.details.get("calibration")
    if isinstance(calibration, Mapping):
        return calibration
    events = (event.payload for event in reversed(detail.events) if event.kind == "calibration")
    return next((payload for payload in events if isinstance(payload, Mapping)), {})
