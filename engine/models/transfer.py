"""Copy weights into a model, by name and shape."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from engine.models.yolo import YoloModel


@torch.no_grad()
def transfer(model: YoloModel, state: Mapping[str, Tensor], exclude: Collection[str] = ("anchor",)) -> tuple[int, int]:
    """Copy every entry of `state` whose name and shape `model` has.

    If `state` has a plain `Detect` head, the model's implicit vectors become the identity (0 and 1), so that its head
    computes the same as the file's.

    Args:
        exclude: skip entries whose name contains one of these.

    Returns:
        (entries copied, entries of the model), as in `Transferred 558/566 items`.
    """
    model_state = model.state_dict()
    copied = 0
    for name, value in state.items():
        if name in model_state and model_state[name].shape == value.shape and not any(part in name for part in exclude):
            model_state[name].copy_(value)
            copied += 1
    has_head = any(
        name in state and state[name].shape == model_state[name].shape for name in model_state if ".m.0.weight" in name
    )
    if has_head and not any(name.endswith(".implicit") for name in state):
        for name, value in model_state.items():
            if name.endswith(".implicit"):
                value.fill_(0.0 if ".ia." in name else 1.0)
    return copied, len(model_state)
