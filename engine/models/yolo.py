"""YOLOv7 as a list of layers, built from a model file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.models.blocks import BN_MOMENTUM
from engine.models.config import ModelConfig
from engine.models.heads import Detect
from engine.models.registry import build_layer, head_arguments, head_class

STRIDE_PROBE_PX = 256


class YoloModel(nn.Module):
    """YOLOv7, with its original state-dict keys, `model.{layer}.…`.

    Training: list of raw head outputs (B, A, Y, X, 5+nc). Evaluation: (decoded (B, N, 5+nc), that list).
    """

    def __init__(self, config: ModelConfig, names: Sequence[str], act: str = "model") -> None:
        super().__init__()
        self.config = config
        """The model file, with the number of classes and the width that were built."""
        self.names = list(names)
        self.nc = config.nc
        self.act = act
        """The activation of `--act`; `model` for what the model file says."""
        default = "silu" if act == "model" else act
        layers: list[nn.Module] = []
        channels: list[int] = []
        self.sources: list[tuple[int, ...]] = []
        for index, row in enumerate(config.layers):
            where = f"{config.origin or config.name}, layer {index}"
            sources = tuple(s if s >= 0 else index + s for s in row.sources)
            c_in = [3 if s < 0 else channels[s] for s in sources]
            if act != "model":
                row = replace(row, activation=None)
            if index == len(config.layers) - 1:
                detect_class = head_class(row, where)
                layers.append(detect_class(*head_arguments(row, config.nc, config.anchors), c_in))
                channels.append(0)
            else:
                layer, c_out = build_layer(row, c_in, default, config.width_multiple, where)
                if row.repeat > 1:
                    repeats = [
                        build_layer(row, [c_out], default, config.width_multiple, where)[0]
                        for _ in range(row.repeat - 1)
                    ]
                    layer = nn.Sequential(layer, *repeats)
                layers.append(layer)
                channels.append(c_out)
            self.sources.append(sources)
        self.model = nn.Sequential(*layers)
        self.stored_layers = {s for i, sources in enumerate(self.sources) for s in sources if s != i - 1}
        """Layers whose output is read by a layer other than the next, and must be stored."""
        self._probe_strides()
        self.head.init_biases()

    @property
    def head(self) -> Detect:
        return self.model[-1]  # type: ignore[return-value]

    @property
    def stride(self) -> Tensor:
        """Pixels per grid cell, (L,)."""
        return self.head.stride

    def forward(self, x: Tensor) -> Any:
        outputs: dict[int, Tensor] = {-1: x}
        for index, (layer, sources) in enumerate(zip(self.model, self.sources, strict=True)):
            inputs = [x if s == index - 1 else outputs[s] for s in sources]
            x = layer(inputs[0] if len(inputs) == 1 and not isinstance(layer, Detect) else inputs)
            if index in self.stored_layers:
                outputs[index] = x
        return x

    def _probe_strides(self) -> None:
        # In training mode, as in YOLOv7: this pass gives its fresh models their running_var of 0.9.
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 0.1
        with torch.no_grad():
            raws = self.train()(torch.zeros(1, 3, STRIDE_PROBE_PX, STRIDE_PROBE_PX))
        for norm in norms:
            norm.momentum = BN_MOMENTUM
        self.head.set_stride(torch.tensor([STRIDE_PROBE_PX / raw.shape[-2] for raw in raws]))


def build_model(
    config: ModelConfig,
    nc: int | None = None,
    names: Sequence[str] | None = None,
    act: str = "model",
    width: float = 1.0,
) -> YoloModel:
    """Build a model with fresh weights.

    Args:
        config: the model file.
        nc: classes; None takes the file's (`names` decides where it is given).
        names: class names; None numbers them.
        act: activation of every convolution; `model` for what the file says.
        width: multiplies every channel count, on top of the file's `width_multiple`.

    Raises:
        YoloqatError: a module or its arguments are unknown, or `nc` and `names` disagree.
    """
    classes = nc if nc is not None else len(names) if names is not None else config.nc
    if names is not None and len(names) != classes:
        raise YoloqatError(f"got {len(names)} class names for {classes} classes")
    built_config = replace(config, nc=classes, width_multiple=config.width_multiple * width)
    return YoloModel(built_config, names if names is not None else [str(i) for i in range(classes)], act)
