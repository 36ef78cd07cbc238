"""Move weights from one model into another, by name and shape."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from engine.models.yolo import YoloModel


@torch.no_grad()
def transfer(model: YoloModel, state: Mapping[str, Tensor], exclude: Collection[str] = ("anchor",)) -> tuple[int, int]:
    """Copy every entry of `state` whose name and shape `model` knows.

    A state of a plain `Detect` head has no implicit vectors: then those of the model become the identity (0 and 1), so
    that the head computes what it computed in the file.

    Args:
        exclude: entries whose name contains one of these are left alone.

    Returns:
        (entries copied, entries of the model), as in `Transferred 558/566 items`.
    """
    own = model.state_dict()
    copied = 0
    for name, value in state.items():
        if name in own and own[name].shape == value.shape and not any(word in name for word in exclude):
            own[name].copy_(value)
            copied += 1
    has_head = any(name in state and state[name].shape == own[name].shape for name in own if ".m.0.weight" in name)
    if has_head and not any(name.endswith(".implicit") for name in state):
        for name, value in own.items():
            if name.endswith(".implicit"):
                value.fill_(0.0 if ".ia." in name else 1.0)
    return copied, len(own)
