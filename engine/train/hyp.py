"""Reading and checking hyperparameter files."""

from pathlib import Path
from typing import Any

import yaml

from engine.contracts.bounded_yaml import read_yaml
from engine.contracts.errors import YoloqatError

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "hyp"
REQUIRED = (
    "lr0", "lrf", "momentum", "weight_decay", "warmup_epochs", "warmup_momentum", "warmup_bias_lr",
    "box", "cls", "cls_pw", "obj", "obj_pw", "anchor_t", "fl_gamma",
)  # fmt: skip
OPTIONAL: dict[str, float] = {
    "iou_t": 0.2, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0, "degrees": 0.0, "translate": 0.0, "scale": 0.0,
    "shear": 0.0,
    "perspective": 0.0, "flipud": 0.0, "fliplr": 0.0, "mosaic": 0.0, "mixup": 0.0, "copy_paste": 0.0, "paste_in": 0.0,
    "loss_ota": 1, "warmup_min_iterations": 1000, "ema_decay": 0.9999, "ema_ramp": 2000, "distill": 0.0, "anchors": 0,
    "nominal_batch": 64,
}  # fmt: skip


def load_hyp(path_or_name: str) -> dict[str, Any]:
    """Read a hyperparameter file; if the path does not exist, the one of that name in `configs/hyp` (with a message).

    Raises:
        YoloqatError: neither exists, or a key is unknown, missing or not a number; names file and key.
    """
    path = Path(path_or_name)
    if not path.is_file():
        shipped = SHIPPED / (path.name if path.suffix in (".yaml", ".yml") else f"{path.name}.yaml")
        if not shipped.is_file():
            shipped_names = ", ".join(sorted(p.name for p in SHIPPED.glob("*.yaml")))
            raise YoloqatError(
                f"no hyperparameter file {path_or_name!r}",
                hint=f"Give the path of a YAML file, or a name in configs/hyp: {shipped_names}.",
            )
        if len(path.parts) > 1:
            print(f"{path_or_name} is not here: using our configs/hyp/{shipped.name}", flush=True)
        path = shipped
    try:
        values = read_yaml(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise YoloqatError(f"cannot read the hyperparameters: {error}", where=str(path)) from error
    if not isinstance(values, dict):
        raise YoloqatError("expected a mapping of names to numbers", where=str(path))
    return check_hyp(values, str(path))


def check_hyp(values: dict[Any, Any], where: str) -> dict[str, Any]:
    """Check names and types, and add the defaults of optional keys.

    Raises:
        YoloqatError: a key is unknown, missing or not a number; lists every mistake.
    """
    unknown = [str(key) for key in values if key not in REQUIRED and key not in OPTIONAL]
    missing = [key for key in REQUIRED if key not in values]
    non_numeric = [
        f"{key}: {value!r}"
        for key, value in values.items()
        if isinstance(value, bool) or not isinstance(value, int | float)
    ]
    mistakes = [
        f"{what} {', '.join(keys)}"
        for what, keys in (("unknown:", unknown), ("missing:", missing), ("not a number:", non_numeric))
        if keys
    ]
    if not mistakes and values.get("nominal_batch", 1) < 1:
        mistakes.append(f"nominal_batch must be at least 1: {values['nominal_batch']!r}")
    if mistakes:
        raise YoloqatError("; ".join(mistakes), where=where, hint="configs/hyp/hyp.scratch.p5.yaml names every key.")
    return {**OPTIONAL, **values}


def scale_gains(hyp: dict[str, Any], levels: int, nc: int, img_size: int, label_smoothing: float) -> dict[str, Any]:
    """Scale the loss gains to the number of levels and classes and to the image size."""
    return {
        **hyp,
        "box": hyp["box"] * 3 / levels,
        "cls": hyp["cls"] * nc / 80 * 3 / levels,
        "obj": hyp["obj"] * (img_size / 640) ** 2 * 3 / levels,
        "label_smoothing": label_smoothing,
    }
