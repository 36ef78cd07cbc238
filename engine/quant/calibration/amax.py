"""Calibrators: choose the range (amax) of a quantizer from a histogram of |x| by max, percentile, MSE or entropy.

Each gives the same number as pytorch-quantization 2.1.3 for the same histogram, but is vectorised over the candidates
(the library evaluates one at a time, and needs CUDA for MSE).
"""

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.quant.calibration.histogram import ActivationHistogram

METHODS = ("max", "mse", "percentile", "entropy")
FIRST_CANDIDATE = 128
"""First bin that the searches try: a range of fewer bins than int8 has magnitudes gains nothing."""
BLOCK = 256
"""Candidates evaluated at once, which bounds memory."""
NO_SIGNAL = 2.0**-24
"""Magnitudes up to this count as zero, as in the library."""


def find_amax(histogram: ActivationHistogram, method: str, *, bits: int = 8, percentile: float = 99.99) -> float:
    """Return the largest magnitude that the quantizer of this tensor has to represent.

    An all-zero tensor gets 1.0, so that its scale stays positive, as TensorRT demands. `mse` and `entropy` ignore
    outliers (`ActivationHistogram.outliers`): a range that covered them would round everything else to zero.

    Raises:
        YoloqatError: nothing was collected (names the layer), or the method is unknown.
    """
    if histogram.elements == 0:
        raise YoloqatError(
            f"{histogram.name} received no tensor during calibration",
            hint="A layer that does not run cannot be quantized: keep it float with --keep-float.",
        )
    if histogram.max <= NO_SIGNAL:
        return 1.0
    if method == "max":
        return histogram.max
    counts, edges = histogram.counts, histogram.edges()
    if method == "percentile":
        # Outliers are in no bin, but count towards the total that the percentile refers to.
        share = percentile if not len(histogram.outliers) else percentile * histogram.elements / int(counts.sum())
        amax = percentile_amax(counts, edges, share) if share <= 100 else histogram.max
    elif method == "mse":
        amax = mse_amax(counts, edges, bits)
    elif method == "entropy":
        amax = entropy_amax(counts, edges, bits)
    else:
        raise YoloqatError(f"unknown calibrator {method!r}", hint=f"Choose from: {', '.join(METHODS)}.")
    # A percentile that falls into the first bin gives its lower edge, 0, which is not a valid range.
    return min(max(amax, float(edges[1])), histogram.max)


def percentile_amax(counts: Tensor, edges: Tensor, percentile: float) -> float:
    """Return the lower edge of the bin in which the cumulated share reaches `percentile` percent.

    Args:
        counts: (n) integer counts. edges: (n + 1) float32 bin edges.
    """
    share = (counts.double() / counts.sum().double()).cumsum(0)
    index = int(torch.searchsorted(share, torch.tensor(percentile / 100, dtype=torch.float64)))
    return float(edges[index])


def mse_amax(counts: Tensor, edges: Tensor, bits: int = 8) -> float:
    """Return the bin centre that, as the range, quantizes all bin centres with the least squared error.

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
    """Return the edge that, as the range, minimizes the KL divergence of the quantized from the clipped distribution.

    For a range of i bins the reference is the first i bins with all counts beyond added to the last one. The candidate
    spreads the count of each of the 2^(bits-1) integer intervals evenly over the interval's non-empty bins. The
    divergences of all i follow from prefix sums of counts, of non-empty bins and of n log n.

    Args:
        counts: (n) integer counts, n ≥ 128. edges: (n + 1) float32 bin edges.
    """
    n = counts.numel()
    bins = counts.double()
    bins[0] = bins[1]
    total = bins.sum()
    mass, non_empty = _prefix_sums(bins), _prefix_sums((bins > 0).double())
    n_log_n = _prefix_sums(torch.special.xlogy(bins, bins))
    levels = 2 ** (bits - 1)
    fractions = torch.arange(levels + 1)
    divergences = []
    for block in torch.arange(FIRST_CANDIDATE, n + 1).split(BLOCK):
        # Interval k of i bins starts at the first whole bin at or after k·i / levels.
        starts = (fractions * block[:, None] + levels - 1) // levels
        inside = mass[starts].diff(dim=1)
        density = inside / non_empty[starts].diff(dim=1).clamp(min=1)
        tail = total - mass[block]
        last = bins[block - 1]
        reference = inside.clone()
        reference[:, -1] += tail
        cross = torch.special.xlogy(reference, density).sum(1)
        clipped = last + tail
        reference_term = n_log_n[block] - torch.special.xlogy(last, last) + torch.special.xlogy(clipped, clipped)
        divergence = (reference_term - cross) / total + (mass[block] / total).log()
        divergences.append(torch.where((last == 0) & (tail > 0), torch.inf, divergence))
    divergence = torch.cat(divergences).nan_to_num(nan=torch.inf)
    # Among equal divergences the library chooses the widest range.
    best = n - FIRST_CANDIDATE - int(divergence.flip(0).argmin())
    return float(edges[best + FIRST_CANDIDATE])


def _prefix_sums(values: Tensor) -> Tensor:
    return torch.cat([values.new_zeros(1), values.cumsum(0)])
