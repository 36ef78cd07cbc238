"""Histogram of an activation's magnitude, collected over a calibration set."""

import math

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError

BINS = 2048
MIN_WIDTH = 1e-30
"""Keeps the reciprocal of the bin width finite in float32."""


class ActivationHistogram:
    """Counts of |x| in equal bins from 0, in int64, with a range that grows by doubling.

    The first batch that isn't all zero sets the width of the bins. A larger value later merges neighbouring bins until
    it fits, so memory never grows and every count stays exact. It has the calibrator interface of pytorch-quantization
    (`collect`, `reset`), so that its quantizers drive it.

    Args:
        name: the layer, for messages.
        bins: number of bins; a multiple of 2.
    """

    def __init__(self, name: str, bins: int = BINS) -> None:
        self.name = name
        self.bins = bins
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.counts = torch.zeros(self.bins, dtype=torch.int64)
        self.width = 0.0
        self.max = 0.0
        self.elements = 0

    @torch.no_grad()
    def collect(self, x: Tensor) -> None:
        """Add a tensor of any shape, floating dtype and device.

        Raises:
            YoloqatError: a value is nan or infinite; names the layer.
        """
        magnitude = x.detach().abs().float().flatten()
        if magnitude.numel() == 0:
            return
        largest = float(magnitude.max())
        if not math.isfinite(largest):
            raise YoloqatError(
                f"the input of {self.name} contains {'nan' if math.isnan(largest) else 'inf'} during calibration",
                hint="The float model computes it too: check its weights, and that they belong to this model file.",
            )
        self.elements += magnitude.numel()
        self.max = max(self.max, largest)
        if largest == 0.0 and self.width == 0.0:
            self.counts[0] += magnitude.numel()
            return
        self._cover(largest)
        index = magnitude.mul_(1.0 / self.width).int().clamp_(max=self.bins - 1)
        self.counts += torch.bincount(index, minlength=self.bins).cpu()

    def edges(self) -> Tensor:
        """Bin edges, float32, one more than there are bins; all zero while only zeros were seen."""
        return (torch.arange(self.bins + 1, dtype=torch.float64) * self.width).float()

    def _cover(self, largest: float) -> None:
        if self.width == 0.0:
            self.width = max(largest / self.bins, MIN_WIDTH)
        while largest > self.width * self.bins:
            pairs = self.counts.view(-1, 2).sum(1)
            self.counts = torch.cat([pairs, torch.zeros_like(pairs)])
            self.width *= 2
