"""A drawn data set and a predictor that knows the answers."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.data.config import DataConfig, load_data_config
from engine.data.synthetic.shapes import draw_data_set


class Oracle:
    """Predicts the labels of a loader's batches, batch after batch."""

    backend = "pytorch"
    device = torch.device("cpu")
    names: Sequence[str] | None = None
    fixed_size: tuple[int, int] | None = None

    def __init__(self, loader: Any, nc: int, *, shift: float = 0.0, kind: int | None = None) -> None:
        self.targets = [batch[1] for batch in loader]
        self.nc = nc
        self.shift = shift
        self.kind = kind
        self.calls = 0

    def __call__(self, images: Tensor) -> Tensor:
        assert images.dtype == torch.float32
        assert images.max() <= 1
        targets = self.targets[self.calls % len(self.targets)]
        self.calls += 1
        height, width = images.shape[2:]
        decoded = torch.zeros(len(images), 20, 5 + self.nc)
        for b in range(len(images)):
            for k, row in enumerate(targets[targets[:, 0] == b]):
                decoded[b, k, :4] = row[2:] * torch.tensor([width, height, width, height])
                decoded[b, k, :2] += self.shift * decoded[b, k, 2:4]
                decoded[b, k, 4] = 0.9
                decoded[b, k, 5 + (int(row[1]) if self.kind is None else self.kind)] = 1.0
        return decoded


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    return load_data_config(draw_data_set(tmp_path_factory.mktemp("shapes"), 2, 12, 128, 0))
