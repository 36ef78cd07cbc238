"""What an exported file says about itself, as ONNX `metadata_props`."""

import json

import onnx
from torch import nn

NAMES, STRIDE, IMAGE_SIZE = "names", "stride", "image_size"


def describe(model: nn.Module, *, image_size: int, activation: str, data: str, source_sha256: str) -> dict[str, str]:
    """The properties to write.

    Args:
        model: a `YoloModel`.
        activation: what the backbone computes with, such as `relu`.
        data: the data set that the names come from; empty when unknown.
        source_sha256: of the checkpoint that was exported.
    """
    return {
        "producer": "yoloqat",
        NAMES: json.dumps(list(model.names), ensure_ascii=False),
        STRIDE: str(int(max(model.stride))),
        IMAGE_SIZE: str(image_size),
        "activation": activation,
        "model": model.config.name,
        "data": data,
        "source_sha256": source_sha256,
    }


def write_metadata(model: onnx.ModelProto, properties: dict[str, str]) -> None:
    """Put `properties` into the file, in the place of what was there."""
    onnx.helper.set_model_props(model, properties)


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The properties of a file."""
    return {entry.key: entry.value for entry in model.metadata_props}
