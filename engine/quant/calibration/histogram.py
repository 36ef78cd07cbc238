"""Histogram of an activation's magnitude over the calibration images."""

import math

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError

BINS = 2048
MIN_WIDTH = 1e-30
"""Keeps the reciprocal of the bin width finite in float32."""
OUTLIER_FACTOR = 1000.0
"""Values beyond this multiple of the range of all others are outliers, as long as they are few: bins wide enough for
them would put everything else into the first bin."""
MAX_OUTLIERS, MAX_OUTLIER_SHARE = 1024, 1e-3
"""More than this number, or this share of all values, are not outliers but part of the distribution."""


class ActivationHistogram:
    """Counts of |x| in equal bins from 0, in int64, with a range that grows by doubling.

    The first batch that is not all zero sets the bin width. A larger value later merges neighbouring bins until it
    fits, so memory does not grow and every count stays exact. Outliers are stored one by one, outside the bins. The
    class has the calibrator interface of pytorch-quantization (`collect`, `reset`).

    Args:
        name: path of the layer, for messages.
        bins: number of bins; a multiple of 2.
    """

    def __init__(self, name: str, bins: int = BINS) -> None:
        self.name = name
        self.bins = bins
        self.reset()

    def reset(self) -> None:
        """Clear all counts and outliers."""
        self.counts = torch.zeros(self.bins, dtype=torch.int64)
        self.width = 0.0
        self.max = 0.0
        self.elements = 0
        self.outliers = torch.zeros(0)
        """Counted in `elements` and `max`, but in no bin."""

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
                hint="The float model computes it: check that its weights are sound and belong to this model file.",
            )
        self.elements += magnitude.numel()
        self.max = max(self.max, largest)
        if largest == 0.0 and self.width == 0.0:
            self.counts[0] += magnitude.numel()
            return
        if self.width == 0.0:
            self.width = max(_largest_without_outliers(magnitude, largest) / self.bins, MIN_WIDTH)
        if len(self.outliers) or largest > self._outlier_limit:
            magnitude = self._set_outliers_aside(magnitude)
            largest = float(magnitude.max()) if magnitude.numel() else 0.0
        self._widen_to(largest)
        index = magnitude.mul_(1.0 / self.width).int().clamp_(max=self.bins - 1)
        self.counts += torch.bincount(index, minlength=self.bins).cpu()

    def edges(self) -> Tensor:
        """Return the bin edges, (bins + 1) float32; all zero while only zeros were collected."""
        return (torch.arange(self.bins + 1, dtype=torch.float64) * self.width).float()

    @property
    def _outlier_limit(self) -> float:
        return OUTLIER_FACTOR * self.width * self.bins

    def _set_outliers_aside(self, magnitude: Tensor) -> Tensor:
        """Store the outliers of `magnitude` and of before, and return the other values, which the bins count.

        Earlier outliers are judged again: they return to the bins when the range has grown or there are too many.
        """
        pending = torch.cat([magnitude, self.outliers.to(magnitude)])
        self.outliers = pending.new_zeros(0)
        while len(outliers := pending[pending > self._outlier_limit]):
            if len(outliers) > min(MAX_OUTLIERS, MAX_OUTLIER_SHARE * self.elements):
                return pending
            usual = pending[pending <= self._outlier_limit]
            limit = self._outlier_limit
            self._widen_to(float(usual.max()) if usual.numel() else 0.0)
            if self._outlier_limit == limit:
                self.outliers = outliers.cpu()
                return usual
        return pending

    def _widen_to(self, largest: float) -> None:
        """Merge pairs of bins until they hold `largest`."""
        while largest > self.width * self.bins:
            pairs = self.counts.view(-1, 2).sum(1)
            self.counts = torch.cat([pairs, torch.zeros_like(pairs)])
            self.width *= 2


def _largest_without_outliers(magnitude: Tensor, largest: float) -> float:
    """Return the largest value of the first batch that is not an outlier within that batch."""
    max_outliers = int(min(MAX_OUTLIERS, MAX_OUTLIER_SHARE * magnitude.numel()))
    usual = float(magnitude.topk(max_outliers + 1).values[-1]) if max_outliers else 0.0
    if not 0.0 < usual * OUTLIER_FACTOR < largest:
        return largest
    return float(magnitude[magnitude <= usual * OUTLIER_FACTOR].max())
