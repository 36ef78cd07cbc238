"""Evaluation items: order, batch shapes, pixels, labels and the way back, as the original makes them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.config import load_data_config
from engine.data.dataset import ValDataset
from engine.data.loader import val_loader
from engine.data.scanning.scan import scan


@pytest.fixture(scope="module")
def data_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden images, in a folder that may be written to."""
    source = Path(__file__).resolve().parents[2] / "golden" / "data" / "val_images"
    folder = tmp_path_factory.mktemp("golden")
    for part in ("images", "labels"):
        shutil.copytree(source / part, folder / part)
    path = folder / "data.yaml"
    path.write_text("train: images\nval: images\nnc: 80\n")
    return path


def runs(golden: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((golden / "data" / "val_items.json").read_text())
    return result


@pytest.mark.parametrize("run", ["rect96", "square64", "rect640"])
def test_items_equal_the_originals(golden: Path, data_yaml: Path, run: str) -> None:
    expected = runs(golden)[run]
    args = expected["args"]
    dataset = ValDataset(
        scan(load_data_config(data_yaml), "val"),
        args["img_size"],
        letterbox="rect" if args["rect"] else "square",
        batch_size=args["batch_size"],
        pad=args["pad"],
    )
    pixels = np.load(golden / "data" / "val_items.npz")
    assert [Path(path).name for path in dataset.images.paths] == expected["order"]
    assert len(dataset) == len(expected["items"])
    for sample, item in zip((dataset[i] for i in range(len(dataset))), expected["items"], strict=True):
        assert list(sample.image.shape) == item["shape_chw"]
        assert sample.shapes is not None
        (hw, (scale, pad)), (expected_hw, (expected_scale, expected_pad)) = sample.shapes, item["shapes"]
        assert list(hw) == expected_hw
        assert scale == pytest.approx(expected_scale)
        assert pad == pytest.approx(expected_pad)
        labels = np.array(item["labels"], np.float32).reshape(-1, 6)[:, 1:]
        np.testing.assert_allclose(sample.targets, labels, atol=1e-5)
        assert float(sample.image.float().mean()) == pytest.approx(item["mean"], abs=0.05)
        name = f"{run}_{Path(sample.path).stem}"
        if name in pixels:
            assert np.abs(sample.image.numpy().astype(int) - pixels[name]).max() <= 1


def test_every_rect_batch_has_one_shape(golden: Path, data_yaml: Path) -> None:
    expected = runs(golden)["rect96"]
    loader = val_loader(load_data_config(data_yaml), "val", 96, 4, workers=0)
    batches = list(loader)
    assert [list(images.shape[2:]) for images, *_ in batches] == expected["batch_shapes_hw"]
    assert sum(len(paths) for _, _, paths, _ in batches) == 9


def test_square_batches_take_the_stride_into_account(data_yaml: Path) -> None:
    loader = val_loader(load_data_config(data_yaml), "val", 100, 4, letterbox="square", workers=0)
    images, targets, _, _ = next(iter(loader))
    assert images.shape == (4, 3, 128, 128)
    assert targets[:, 0].max() <= 3


def test_a_limit_takes_the_same_random_images_each_time(data_yaml: Path) -> None:
    config = load_data_config(data_yaml)

    def chosen(seed: int) -> list[str]:
        loader = val_loader(config, "train", 64, 2, letterbox="square", workers=0, limit=4, seed=seed)
        return [path for _, _, paths, _ in loader for path in paths]

    assert len(chosen(1)) == 4
    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
