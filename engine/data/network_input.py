"""From a batch of images to what the network takes."""

import torch
from torch import Tensor


def to_network(images: Tensor, device: torch.device) -> Tensor:
    """uint8 (B, 3, H, W) → float32 in 0..1 on the device; channels last, in which convolutions are faster."""
    return images.to(device, non_blocking=True, memory_format=torch.channels_last).float().div_(255)
