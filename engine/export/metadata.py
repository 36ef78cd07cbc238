"""What an exported file says about itself, as ONNX `metadata_props`."""

import json
from collections.abc import Mapping

import onnx
from torch import nn

from engine.models.yolo import YoloModel
from engine.quant.quantizer import backend_of

ACTIVATIONS = {
    nn.SiLU: "silu",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky",
    nn.Hardswish: "hardswish",
}


def describe(
    model: YoloModel,
    *,
    label: str,
    image_size: int,
    data: str,
    source_sha256: str,
    heads: str = "decoded",
    ancestors: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The properties to write.

    Args:
        model: the exported model.
        label: what tables call the file, such as `ONNX Q/DQ`.
        image_size: height and width of its input.
        data: the data set that it was evaluated on; empty when unknown.
        source_sha256: of the checkpoint.
        ancestors: SHA-256 of the files that the checkpoint was made from, by what they are, and of the data set's.
        heads: what the outputs hold; raw ones are decoded with the anchors (pixels) and strides told here.
    """
    kinds = {name for module in model.modules() for kind, name in ACTIVATIONS.items() if type(module) is kind}
    return {
        "producer": "yoloqat",
        "label": label,
        "names": json.dumps(list(model.names), ensure_ascii=False),
        "stride": str(int(model.stride.max())),
        "image_size": str(image_size),
        "activation": "+".join(sorted(kinds)) or "none",
        "model": model.config.name,
        "data": data,
        "source_sha256": source_sha256,
        "lineage": json.dumps(dict(ancestors or {})),
        "quantization_backend": backend_of(model) or "none",
        "heads": heads,
        "nms": "none",
        "anchors": json.dumps((model.head.anchor_grid.flatten(1)).tolist()),
        "strides": json.dumps([float(stride) for stride in model.stride]),
    }


def write_metadata(model: onnx.ModelProto, properties: dict[str, str]) -> None:
    """Put `properties` into the file, in the place of what was there."""
    onnx.helper.set_model_props(model, properties)


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The properties of a file."""
    return {entry.key: entry.value for entry in model.metadata_props}
