"""Metadata of an exported file (ONNX `metadata_props`)."""

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
    """Return the metadata of an exported model.

    Args:
        model: the exported model.
        label: label of the file in tables, such as `ONNX Q/DQ`.
        image_size: height and width of its input.
        data: the data set that it was evaluated on; empty when unknown.
        source_sha256: SHA-256 of the checkpoint.
        heads: `decoded` or `raw`; raw outputs are decoded with the anchors (pixels) and strides of this metadata.
        ancestors: role → SHA-256 of the files that the checkpoint was made from, including the data set's.
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
    """Replace the metadata of a file by `properties`."""
    onnx.helper.set_model_props(model, properties)


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """Return the metadata of a file."""
    return {entry.key: entry.value for entry in model.metadata_props}
