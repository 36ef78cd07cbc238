"""From a histogram of |x| to the range that the integers shall cover: max, percentile, MSE and entropy.

Each search gives the number that pytorch-quantization 2.1.3 gives for the same histogram, and is vectorised over the
candidates (the library takes one at a time, and needs CUDA for MSE).
"""

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.quant.calibration.histogram import ActivationHistogram

METHODS = ("max", "mse", "percentile", "entropy")
FIRST_CANDIDATE = 128
"""The searches try every bin from this one on: a range of fewer bins than int8 has codes gains nothing."""
BLOCK = 256
NO_SIGNAL = 2.0**-24
"""The library treats a smaller range as zero; a tensor that never exceeds it carries nothing that could be measured."""


def find_amax(histogram: ActivationHistogram, method: str, *, bits: int = 8, percentile: float = 99.99) -> float:
    """The largest magnitude that the quantizer of this tensor shall represent.

    A tensor that was zero throughout gets 1.0, so that its scale stays positive (TensorRT demands it). `mse` and
    `entropy` leave outliers (`ActivationHistogram.far`) out: with room for them, everything else would become zero.

    Raises:
        YoloqatError: nothing was collected, or the method is unknown; names the layer.
    """
    if histogram.elements == 0:
        raise YoloqatError(
            f"{histogram.name} saw no tensor during calibration",
            hint="Layers that don't run cannot be quantized: keep them float with --keep-float.",
        )
    if histogram.max <= NO_SIGNAL:
        return 1.0
    if method == "max":
        return histogram.max
    counts, edges = histogram.counts, histogram.edges()
    if method == "percentile":
        # Outliers are in no bin, but belong to the whole of which a share is kept.
        share = percentile if not len(histogram.far) else percentile * histogram.elements / int(counts.sum())
        amax = percentile_amax(counts, edges, share) if share <= 100 else histogram.max
    elif method == "mse":
        amax = mse_amax(counts, edges, bits)
    elif method == "entropy":
        amax = entropy_amax(counts, edges, bits)
    else:
        raise YoloqatError(f"there is no calibrator {method!r}", hint=f"There are: {', '.join(METHODS)}.")
    # A percentile that falls into the first bin names its lower edge, which is 0.
    return min(max(amax, float(edges[1])), histogram.max)


def percentile_amax(counts: Tensor, edges: Tensor, percentile: float) -> float:
    """The lower edge of the bin in which the share of values reaches `percentile` percent.

    Args:
        counts: (n) integer counts. edges: (n + 1) float32 bin edges.
    """
    share = (counts.double() / counts.sum().double()).cumsum(0)
    index = int(torch.searchsorted(share, torch.tensor(percentile / 100, dtype=torch.float64)))
    return float(edges[index])


def mse_amax(counts: Tensor, edges: Tensor, bits: int = 8) -> float:
    """The bin centre that, taken as the range, quantizes the bin centres with the least squared error.

    Args:
        counts: (n) integer counts, n > 128. edges: (n + 1) float32 bin edges.
    """
    top = float(2 ** (bits - 1) - 1)
    centers = (edges[1:] + edges[:-1]) / 2
    weights = counts.float()
    candidates = centers[FIRST_CANDIDATE:]
    errors = []
    for block in candidates.split(BLOCK):
        scale = (top / block)[:, None]
        quantized = (centers * scale).round_().clamp_(max=top).div_(scale)
        errors.append(quantized.sub_(centers).square_().mul_(weights).mean(1))
    return float(candidates[int(torch.cat(errors).argmin())])


def entropy_amax(counts: Tensor, edges: Tensor, bits: int = 8) -> float:
    """The edge that, taken as the range, keeps the quantized distribution closest to the clipped one in KL divergence.

    For a range of i bins the reference is the first i bins with everything beyond added to the last one. The candidate
    spreads the count of each of the 2^(bits-1) integer intervals evenly over the interval's non-empty bins. The
    divergence of all i comes from prefix sums of counts, of non-empty bins and of n log n.

    Args:
        counts: (n) integer counts, n ≥ 128. edges: (n + 1) float32 bin edges.
    """
    n = counts.numel()
    bins = counts.double()
    bins[0] = bins[1]
    total = bins.sum()
    mass, filled = _prefix(bins), _prefix((bins > 0).double())
    n_log_n = _prefix(torch.special.xlogy(bins, bins))
    levels = 2 ** (bits - 1)
    fractions = torch.arange(levels + 1)
    divergences = []
    for block in torch.arange(FIRST_CANDIDATE, n + 1).split(BLOCK):
        # Interval k of i bins starts at the first whole bin at or after k·i / levels.
        starts = (fractions * block[:, None] + levels - 1) // levels
        inside = mass[starts].diff(dim=1)
        density = inside / filled[starts].diff(dim=1).clamp(min=1)
        tail = total - mass[block]
        last = bins[block - 1]
        reference = inside.clone()
        reference[:, -1] += tail
        cross = torch.special.xlogy(reference, density).sum(1)
        clipped = last + tail
        own = n_log_n[block] - torch.special.xlogy(last, last) + torch.special.xlogy(clipped, clipped)
        divergence = (own - cross) / total + (mass[block] / total).log()
        divergences.append(torch.where((last == 0) & (tail > 0), torch.inf, divergence))
    divergence = torch.cat(divergences).nan_to_num(nan=torch.inf)
    # The library takes the widest range among equals.
    best = n - FIRST_CANDIDATE - int(divergence.flip(0).argmin())
    return float(edges[best + FIRST_CANDIDATE])


def _prefix(values: Tensor) -> Tensor:
    return torch.cat([values.new_zeros(1), values.cumsum(0)])
