"""Counting activations: exact, bounded, and with the layer's name when something is wrong."""

import pytest
import torch

from engine.contracts.errors import YoloqatError
from engine.quant.calibration.histogram import BINS, ActivationHistogram


def collected(*batches: torch.Tensor) -> ActivationHistogram:
    histogram = ActivationHistogram("model.7.conv")
    for batch in batches:
        histogram.collect(batch)
    return histogram


def test_growing_gives_the_counts_of_a_range_known_in_advance() -> None:
    x = torch.randn(50_000, generator=torch.Generator().manual_seed(0)).abs()
    small, large = x[x < 0.9], x[x >= 0.9]
    histogram = collected(small, large)
    expected = torch.bincount((x / histogram.width).int().clamp(max=BINS - 1), minlength=BINS)
    # Both sides round |x| / width once: a value on a bin's edge may fall to either side.
    assert (histogram.counts - expected).abs().sum() <= 4
    assert histogram.counts.sum() == x.numel()
    assert histogram.max == float(x.max())
    assert float(histogram.edges()[-1]) >= histogram.max


def test_forty_million_zeros_are_counted_exactly() -> None:
    zeros = torch.zeros(4_000_000)
    histogram = collected(torch.ones(1), *[zeros] * 10)
    assert int(histogram.counts[0]) == 40_000_000


def test_a_first_batch_of_zeros_is_kept() -> None:
    histogram = collected(torch.zeros(100), torch.tensor([0.0, 1.0, -2.0]))
    assert int(histogram.counts[0]) == 101
    assert int(histogram.counts.sum()) == 103


def body(count: int = 10_000) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("first", [True, False])
def test_an_outlier_of_a_million_times_leaves_memory_and_resolution_as_they_are(first: bool) -> None:
    spoiled = torch.cat([body(), torch.tensor([1e6])])
    histogram = collected(spoiled, body()) if first else collected(body(), spoiled)
    assert histogram.counts.numel() == BINS
    assert int(histogram.counts.sum()) == 20_000
    assert histogram.elements == 20_001
    assert histogram.outliers.tolist() == [1e6]
    assert histogram.max == 1e6
    assert float(histogram.edges()[-1]) < 2.0
    assert int((histogram.counts > 0).sum()) > 1000


def test_many_large_values_are_no_outliers() -> None:
    histogram = collected(body(), torch.tensor([5e3]), body() * 1e4)
    assert len(histogram.outliers) == 0
    assert int(histogram.counts.sum()) == histogram.elements == 20_001
    assert float(histogram.edges()[-1]) >= histogram.max


def test_an_outlier_that_others_catch_up_with_is_counted_with_them() -> None:
    histogram = collected(body(), torch.tensor([1e4]))
    assert histogram.outliers.tolist() == [1e4]
    histogram.collect(body() * 100)
    assert len(histogram.outliers) == 0
    assert int(histogram.counts.sum()) == 20_001
    assert float(histogram.edges()[-1]) >= 1e4


def test_growth_by_a_whole_number_of_bins() -> None:
    histogram = collected(torch.tensor([2.0]), torch.tensor([6.0]))
    assert len(histogram.edges()) == BINS + 1
    assert int(histogram.counts.sum()) == 2


@pytest.mark.parametrize(("value", "word"), [(float("inf"), "inf"), (float("-inf"), "inf"), (float("nan"), "nan")])
def test_values_that_are_not_finite_name_the_layer(value: float, word: str) -> None:
    with pytest.raises(YoloqatError, match=rf"model\.7\.conv contains {word}"):
        collected(torch.tensor([1.0, value]))


def test_half_precision_and_denormals() -> None:
    assert collected(torch.tensor([1.5], dtype=torch.float16)).max == 1.5
    histogram = collected(torch.tensor([1e-42]), torch.tensor([1.0]))
    assert int(histogram.counts.sum()) == 2
