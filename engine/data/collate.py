"""Collate functions: samples into batches."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.contracts.errors import YoloqatError
from engine.data.dataset import Sample, Shapes

Batch = tuple[Tensor, Tensor, list[str], list[Shapes | None]]
"""Images (B, 3, H, W) uint8 RGB; targets (n, 6) float32: image, class, cx, cy, w, h; paths; shapes."""


def collate(samples: Sequence[Sample] | YoloqatError) -> Batch:
    """Stack images, and prepend the image's index to its targets. An error instead of samples is returned as it is."""
    if isinstance(samples, YoloqatError):
        return samples  # type: ignore[return-value]
    targets = [np.insert(sample.targets, 0, i, axis=1) for i, sample in enumerate(samples)]
    return (
        torch.stack([sample.image for sample in samples]),
        torch.from_numpy(np.concatenate(targets).astype(np.float32)),
        [sample.path for sample in samples],
        [sample.shapes for sample in samples],
    )


class QuadCollate:
    """Collates four samples into one: the first at twice its size, or all four as tiles, with equal probability."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, samples: Sequence[Sample] | YoloqatError) -> Batch:
        if isinstance(samples, YoloqatError):
            return collate(samples)
        rng = np.random.default_rng((self.seed, *samples[0].image.flatten()[:16].tolist()))
        groups = [samples[i : i + 4] for i in range(0, len(samples), 4)]
        return collate([_enlarge(g[0]) if len(g) < 4 or rng.random() < 0.5 else _tile(g) for g in groups])


def _enlarge(sample: Sample) -> Sample:
    pixels = interpolate(sample.image[None].float(), scale_factor=2.0, mode="bilinear", align_corners=False)[0]
    return Sample(pixels.to(sample.image.dtype), sample.targets, sample.path, sample.shapes)


def _tile(samples: Sequence[Sample]) -> Sample:
    first, second, third, fourth = (sample.image for sample in samples)
    pixels = torch.cat([torch.cat([first, third], 1), torch.cat([second, fourth], 1)], 2)
    targets = []
    for sample, offset in zip(samples, ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)), strict=True):
        moved = sample.targets.copy()
        moved[:, 1:] *= 0.5
        moved[:, 1:3] += offset
        targets.append(moved)
    return Sample(pixels, np.concatenate(targets), samples[0].path, samples[0].shapes)
