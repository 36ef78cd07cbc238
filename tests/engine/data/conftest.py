"""Small data sets made on the spot."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

MakeData = Callable[..., Path]


@pytest.fixture
def make_data(tmp_path: Path) -> MakeData:
    """Write a data set with one image per entry of `labels`, and return its YAML.

    `labels` maps an image's name to its label text, or to None for an image without a label file.
    """

    def make(
        labels: Mapping[str, str | None], nc: int = 3, size: tuple[int, int] = (64, 48), suffix: str = ".png"
    ) -> Path:
        rng = np.random.default_rng(0)
        for kind in ("images", "labels"):
            (tmp_path / kind / "train").mkdir(parents=True, exist_ok=True)
        for name, text in labels.items():
            pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "images" / "train" / f"{name}{suffix}"), pixels)
            if text is not None:
                (tmp_path / "labels" / "train" / f"{name}.txt").write_text(text)
        yaml = tmp_path / "data.yaml"
        yaml.write_text(f"train: images/train\nval: images/train\nnc: {nc}\n")
        return yaml

    return make
