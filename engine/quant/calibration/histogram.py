"""Histogram of an activation's magnitude, collected over a calibration set."""

import math

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError

BINS = 2048
MIN_WIDTH = 1e-30
"""Keeps the reciprocal of the bin width finite in float32."""
FAR = 1000.0
"""Values beyond so many times the range of all others are outliers, as long as they are few: bins that held them would
hold everything else in the first one."""
FEW, FEW_SHARE = 1024, 1e-3


class ActivationHistogram:
    """Counts of |x| in equal bins from 0, in int64, with a range that grows by doubling.

    The first batch that isn't all zero sets the width of the bins. A larger value later merges neighbouring bins until
    it fits, so memory never grows and every count stays exact. Outliers are kept one by one, outside of the bins. It
    has the calibrator interface of pytorch-quantization (`collect`, `reset`), so that its quantizers drive it.

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
        self.far = torch.zeros(0)
        """The outliers; they count as elements and for `max`, and are in no bin."""

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
        if self.width == 0.0:
            self.width = max(_largest_but_outliers(magnitude, largest) / self.bins, MIN_WIDTH)
        if len(self.far) or largest > self._limit:
            magnitude = self._without_outliers(magnitude)
            largest = float(magnitude.max()) if magnitude.numel() else 0.0
        self._cover(largest)
        index = magnitude.mul_(1.0 / self.width).int().clamp_(max=self.bins - 1)
        self.counts += torch.bincount(index, minlength=self.bins).cpu()

    def edges(self) -> Tensor:
        """Bin edges, float32, one more than there are bins; all zero while only zeros were seen."""
        return (torch.arange(self.bins + 1, dtype=torch.float64) * self.width).float()

    @property
    def _limit(self) -> float:
        return FAR * self.width * self.bins

    def _without_outliers(self, magnitude: Tensor) -> Tensor:
        """Put outliers aside; those of before that are none any more, or too many by now, come back."""
        pending = torch.cat([magnitude, self.far.to(magnitude)])
        self.far = pending.new_zeros(0)
        while len(far := pending[pending > self._limit]):
            if len(far) > min(FEW, FEW_SHARE * self.elements):
                return pending
            near = pending[pending <= self._limit]
            limit = self._limit
            self._cover(float(near.max()) if near.numel() else 0.0)
            if self._limit == limit:
                self.far = far.cpu()
                return near
        return pending

    def _cover(self, largest: float) -> None:
        while largest > self.width * self.bins:
            pairs = self.counts.view(-1, 2).sum(1)
            self.counts = torch.cat([pairs, torch.zeros_like(pairs)])
            self.width *= 2


def _largest_but_outliers(magnitude: Tensor, largest: float) -> float:
    """Of a first batch, which has nothing to be compared with but itself."""
    few = int(min(FEW, FEW_SHARE * magnitude.numel()))
    usual = float(magnitude.topk(few + 1).values[-1]) if few else 0.0
    if not 0.0 < usual * FAR < largest:
        return largest
    return float(magnitude[magnitude <= usual * FAR].max())
