"""Conversion of image batches to network input."""

import torch
from torch import Tensor


def to_network(images: Tensor, device: torch.device) -> Tensor:
    """Convert uint8 (B, 3, H, W) to float32 in 0..1 on the device, channels last because convolutions are faster."""
    return images.to(device, non_blocking=True, memory_format=torch.channels_last).float().div_(255)
