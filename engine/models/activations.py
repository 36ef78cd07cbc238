"""Activations by name. Checkpoints record the name, because weights do not show what they were trained with."""

from torch import nn

from engine.contracts.errors import YoloqatError

LEAKY_SLOPE = 0.1
"""Slope of YOLOv7-tiny's LeakyReLU."""

_FACTORIES = {
    "silu": lambda: nn.SiLU(inplace=True),
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "leaky": lambda: nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    "hardswish": lambda: nn.Hardswish(inplace=True),
    "identity": nn.Identity,
}


def make_activation(name: str) -> nn.Module:
    """Create an activation module.

    Raises:
        YoloqatError: the name is unknown.
    """
    try:
        return _FACTORIES[name]()
    except KeyError:
        raise YoloqatError(f"unknown activation {name!r}", hint=f"Known: {', '.join(_FACTORIES)}.") from None
