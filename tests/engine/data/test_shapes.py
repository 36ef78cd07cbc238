"""The demo's data set: the same pixels for the same seed, labels on the shapes, nothing the scan would refuse."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.data.config import load_data_config
from engine.data.scanning.scan import scan
from engine.data.synthetic.shapes import NAMES, draw_data_set, draw_image


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("shapes"), 60, 20, 128, 0)


def files(yaml: Path) -> dict[str, bytes]:
    return {str(p.relative_to(yaml.parent)): p.read_bytes() for p in sorted(yaml.parent.rglob("*.*"))}


def test_the_same_seed_draws_the_same_files(drawn: Path, tmp_path: Path) -> None:
    again = draw_data_set(tmp_path / "again", 60, 20, 128, 0)
    assert files(drawn) == files(again)
    other = draw_data_set(tmp_path / "other", 2, 1, 128, 1)
    assert files(other)["shapes.yaml"] != files(drawn)["shapes.yaml"], "another set is another artifact"
    name = "images/train/000000.jpg"
    assert files(other)[name] != files(drawn)[name]


def test_splits_and_images_differ(drawn: Path) -> None:
    images = [content for name, content in files(drawn).items() if name.endswith(".jpg")]
    assert len(set(images)) == 80


def test_the_set_is_clean_and_balanced(drawn: Path) -> None:
    config = load_data_config(drawn)
    assert config.names == NAMES == ("circle", "square", "triangle", "star")
    train, val = scan(config, "train"), scan(config, "val")
    assert (len(train), len(val)) == (60, 20)
    assert train.sizes.tolist() == [[128, 128]] * 60
    counts = np.bincount(train.label_rows[:, 0].astype(int), minlength=4)
    assert counts.min() > 15
    per_image = np.diff(train.label_starts)
    assert per_image.min() >= 1
    assert per_image.max() <= 4
    sides = train.label_rows[:, 3:].max(1) * 128
    assert np.median(sides) > 25
    assert sides.min() > 12
    assert sides.max() < 90


def test_labels_fit_the_shapes() -> None:
    """Without background and neighbours, the pixels that differ from an empty picture fill the box."""
    tight = 0
    for seed in range(25):
        drawing = draw_image(128, np.random.default_rng(seed))
        if len(drawing.labels) != 1:
            continue
        _, cx, cy, w, h = drawing.labels[0] * 128
        x1, y1, x2, y2 = (round(v) for v in (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
        smooth = cv2.medianBlur(drawing.pixels, 3).astype(int)
        inside = smooth[y1:y2, x1:x2].reshape(-1, 3)
        centre = smooth[(y1 + y2) // 2, (x1 + x2) // 2]
        assert (np.abs(inside - centre).sum(1) < 150).mean() > 0.25
        tight += 1
    assert tight > 3


def test_lengths_grow_with_the_image() -> None:
    small, large = (draw_image(size, np.random.default_rng(7)) for size in (64, 256))
    assert small.pixels.shape == (64, 64, 3)
    assert large.pixels.shape == (256, 256, 3)
    assert large.labels[:, 3:].mean() == pytest.approx(small.labels[:, 3:].mean(), abs=0.2)
