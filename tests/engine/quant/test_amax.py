"""The searches for a range give what pytorch-quantization gives, and give it fast."""

import time

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.quant.calibration.amax import METHODS, entropy_amax, find_amax, mse_amax, percentile_amax
from engine.quant.calibration.histogram import ActivationHistogram

KINDS = ("normal", "relu", "laplace", "student", "uniform", "two humps", "sparse", "outlier")


def samples(kind: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(200_000, generator=generator)
    uniform = torch.rand(200_000, generator=generator)
    return {
        "normal": normal,
        "relu": normal.relu() * 3,
        "laplace": normal.sign() * -(uniform + 1e-9).log(),
        "student": normal / (uniform + 0.05),
        "uniform": uniform * 7,
        "two humps": torch.where(uniform < 0.5, normal, normal * 0.1 + 9),
        "sparse": normal[:60],
        "outlier": torch.cat([normal, torch.tensor([40.0])]),
    }[kind]


def histogram(kind: str, seed: int) -> ActivationHistogram:
    collected = ActivationHistogram(f"{kind} {seed}")
    for part in samples(kind, seed).chunk(3):
        collected.collect(part)
    return collected


def library_mse(counts: Tensor, edges: Tensor, bits: int) -> float:
    """The library's formula, one candidate at a time; its own function runs on CUDA alone."""
    centers = (edges[1:] + edges[:-1]) / 2
    top = torch.tensor(2.0 ** (bits - 1) - 1)
    errors = []
    for i in range(128, len(centers)):
        scale = top / centers[i]
        quantized = torch.clamp((centers * scale).round_(), -top, top) / scale
        errors.append(((quantized - centers) ** 2 * counts.float()).mean())
    return float(centers[128 + int(np.argmin(errors))])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_same_range_as_the_library(kind: str, seed: int) -> None:
    from pytorch_quantization.calib import histogram as library

    collected = histogram(kind, seed)
    counts, edges = collected.counts, collected.edges()
    for percentile in (99.0, 99.99, 100.0):
        expected = float(library._compute_amax_percentile(counts.numpy(), edges.numpy(), percentile))
        assert percentile_amax(counts, edges, percentile) == expected
    assert mse_amax(counts, edges, 8) == library_mse(counts, edges, 8)
    assert mse_amax(counts, edges, 4) == library_mse(counts, edges, 4)


def test_same_mse_and_max_as_the_librarys_own_calibrators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its search for MSE asks for a GPU; here what is asked for is the tensor itself."""
    from pytorch_quantization import calib

    monkeypatch.setattr(Tensor, "cuda", lambda self: self)
    for number, kind in enumerate((*KINDS, *KINDS[:4])):
        collected = histogram(kind, number)
        counts = collected.counts.view(-1, 4).sum(1)  # a quarter of the bins: it takes a candidate at a time
        edges = collected.edges()[::4].contiguous()
        expected = calib.histogram._compute_amax_mse(counts.numpy(), edges.numpy(), 8, False)
        assert mse_amax(counts, edges) == float(expected), kind
        largest = calib.MaxCalibrator(8, None, False)
        for part in samples(kind, number).chunk(3):
            largest.collect(part)
        assert find_amax(collected, "max") == float(largest.compute_amax()), kind


@pytest.mark.parametrize("method", METHODS)
def test_an_outlier_takes_the_resolution_of_max_alone(method: str) -> None:
    normal = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    clean, spoiled = ActivationHistogram("clean"), ActivationHistogram("spoiled")
    for part in normal.chunk(2):
        clean.collect(part)
        spoiled.collect(part)
    spoiled.collect(torch.cat([normal[:1000], torch.tensor([1e6])]))
    found = find_amax(spoiled, method)
    assert found == 1e6 if method == "max" else found == pytest.approx(find_amax(clean, method), rel=0.05)
    assert find_amax(spoiled, "percentile", percentile=100.0) == 1e6


@pytest.mark.parametrize("kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_same_entropy_range_as_the_library(kind: str) -> None:
    from pytorch_quantization.calib import histogram as library

    for seed in (0, 1):
        # The library takes seconds for 2048 bins, so two bins are taken as one here.
        collected = histogram(kind, seed)
        counts = collected.counts.view(-1, 2).sum(1)
        edges = collected.edges()[::2]
        expected = float(library._compute_amax_entropy(counts.clone().numpy(), edges.numpy(), 8, False))
        assert entropy_amax(counts, edges, 8) == expected


def test_all_searches_of_a_whole_network_take_less_than_two_seconds() -> None:
    histograms = [histogram(KINDS[i % len(KINDS)], i) for i in range(23)]
    started = time.process_time()
    for one in histograms:
        for method in METHODS:
            assert 0 < find_amax(one, method) <= one.max
    assert time.process_time() - started < 2.0


def test_percentile_in_the_first_bin_still_gives_a_range() -> None:
    collected = ActivationHistogram("model.3.conv")
    collected.collect(torch.cat([torch.full((1_000_000,), 1e-3), torch.tensor([1e4])]))
    assert find_amax(collected, "percentile", percentile=99.9) > 0


def test_a_layer_that_never_ran_is_named() -> None:
    with pytest.raises(YoloqatError, match=r"model\.9\.conv received no tensor"):
        find_amax(ActivationHistogram("model.9.conv"), "mse")


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_of_zeros_gets_a_positive_scale(method: str) -> None:
    collected = ActivationHistogram("model.1.conv")
    collected.collect(torch.zeros(1000))
    assert find_amax(collected, method) == 1.0
