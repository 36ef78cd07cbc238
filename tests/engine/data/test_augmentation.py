"""Augmented images: labels stay on their objects and inside the picture."""

import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.contracts.errors import YoloqatError
from engine.data.augment.augmentation import Augmentation, Scene
from engine.data.augment.colour import scale_hsv
from engine.data.augment.mosaic import Tile, mixup, mosaic4, mosaic9
from engine.data.augment.paste import Cutout, copy_paste, cut_out, paste_in
from engine.data.augment.perspective import random_perspective

GREY = 114


def tile(width: int, height: int, seed: int, *, polygon: bool = False) -> Tile:
    """A grey image with one white rectangle, labelled with class `seed`."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), GREY, np.uint8)
    w, h = int(rng.integers(20, width // 2)), int(rng.integers(20, height // 2))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    pixels[y : y + h, x : x + w] = 255
    label = np.array([[seed, (x + w / 2) / width, (y + h / 2) / height, w / width, h / height]], np.float32)
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float32) / (width, height)
    return pixels, label, [corners.astype(np.float32)] if polygon else []


def white_box(pixels: np.ndarray, threshold: int = 200) -> tuple[int, int, int, int]:
    """The box around all white pixels."""
    y, x = np.nonzero(pixels.min(2) > threshold)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


@pytest.mark.parametrize("count", [4, 9])
@pytest.mark.parametrize("polygon", [False, True])
def test_mosaic_labels_lie_on_their_objects(count: int, polygon: bool) -> None:
    make = mosaic4 if count == 4 else mosaic9
    checked = 0
    for trial in range(30):
        rng = np.random.default_rng(trial)
        sizes = rng.integers(60, 129, (count, 2))
        tiles = [tile(int(w), int(h), i, polygon=polygon) for i, (w, h) in enumerate(sizes)]
        scene = make(tiles, 128, rng)
        assert scene.pixels.shape == (256, 256, 3)
        assert scene.labels[:, 1:].min() >= 0
        assert scene.labels[:, 1:].max() <= 256
        for j, (_, x1, y1, x2, y2) in enumerate(scene.labels):
            if x2 - x1 < 4 or y2 - y1 < 4:
                continue
            inside = scene.pixels[round(float(y1)) : round(float(y2)), round(float(x1)) : round(float(x2))]
            if count == 4:
                assert (inside == 255).all()
            checked += int((inside == 255).mean() > 0.9)
            if polygon:
                np.testing.assert_allclose(scene.polygons[j].min(0), (x1, y1), atol=1e-3)
    assert checked > 30


def test_nine_tiles_of_full_size_leave_no_gap() -> None:
    white: Tile = (np.full((64, 64, 3), 255, np.uint8), np.zeros((0, 5), np.float32), [])
    for trial in range(5):
        assert (mosaic9([white] * 9, 64, np.random.default_rng(trial)).pixels == 255).all()


def test_tiles_of_different_sizes_touch_at_the_corners_of_the_first() -> None:
    """Each tile has a colour of its own; around the first one lie those of its neighbours."""
    sizes = [(40, 30), (20, 25), (35, 20), (30, 40), (25, 25), (40, 20), (20, 30), (30, 30), (25, 20)]
    tiles: list[Tile] = [
        (np.full((h, w, 3), 10 * (i + 1), np.uint8), np.zeros((0, 5), np.float32), []) for i, (w, h) in enumerate(sizes)
    ]
    checked = 0
    for trial in range(10):
        pixels = mosaic9(tiles, 40, np.random.default_rng(trial)).pixels[:, :, 0]
        y, x = np.nonzero(pixels == 10)
        x1, y1, x2, y2 = x.min(), y.min(), x.max(), y.max()
        if (x2 - x1 + 1, y2 - y1 + 1) != sizes[0] or x1 < 5 or y1 < 5 or x2 > 72 or y2 > 72:
            continue
        around = {"top": (x1, y1 - 1), "right": (x2 + 1, y1), "below": (x2, y2 + 1), "left": (x1 - 1, y2)}
        assert {side: int(pixels[at[1], at[0]]) // 10 - 1 for side, at in around.items()} == {
            "top": 1, "right": 3, "below": 5, "left": 7,
        }  # fmt: skip
        right_bottom = np.argwhere(pixels == 40).max(0)
        assert pixels[right_bottom[0] + 1, x2 + 1] // 10 - 1 == 4, "the fourth hangs below the third"
        checked += 1
    assert checked


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(scale=0.5, translate=0.2),
        Augmentation(degrees=20, shear=10, scale=0.3, translate=0.1),
        Augmentation(perspective=0.0008, translate=0.1),
    ],
)
@pytest.mark.parametrize("polygon", [False, True])
def test_warped_labels_follow_their_objects(augmentation: Augmentation, polygon: bool) -> None:
    kept = 0
    for trial in range(40):
        rng = np.random.default_rng(trial)
        pixels = np.zeros((200, 240, 3), np.uint8)
        cv2.rectangle(pixels, (80, 60), (160, 130), (255, 255, 255), -1)
        labels = np.array([[2, 80, 60, 161, 131]], np.float32)
        outline = np.array([(80, 60), (161, 60), (161, 131), (80, 131)], np.float32)
        scene = random_perspective(Scene(pixels, labels, [outline] if polygon else []), augmentation, rng)
        assert scene.pixels.shape == pixels.shape
        if not len(scene.labels):
            continue
        kept += 1
        assert scene.labels[:, 1:].min() >= 0
        assert (scene.labels[:, 3:] <= (240, 200)).all()
        np.testing.assert_allclose(scene.labels[0, 1:], white_box(scene.pixels, 120), atol=2.5)
    assert kept > 20


class PythonDraws:
    """Python's generator behind the one NumPy method that the transformation uses: the original drew from it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def uniform(self, low: float, high: float, size: int | None = None) -> float | np.ndarray:
        if size is None:
            return self.random.uniform(low, high)
        return np.array([self.random.uniform(low, high) for _ in range(size)])


@pytest.mark.parametrize("case", [0, 1])
def test_warped_boxes_equal_the_originals(golden: Path, case: int) -> None:
    expected = json.loads((golden / "data" / "augmentation.json").read_text())["random_perspective"][case]
    scene = Scene(np.zeros((*expected["canvas"], 3), np.uint8), np.array(expected["labels"], np.float32))
    draws = PythonDraws(expected["python_seed"])
    found = random_perspective(scene, Augmentation(**expected["hyp"]), draws, border=tuple(expected["border"]))  # type: ignore[arg-type]
    np.testing.assert_allclose(found.labels, expected["out"], rtol=1e-6)


def test_hsv_equals_the_originals(golden: Path) -> None:
    expected = json.loads((golden / "data" / "augmentation.json").read_text())["hsv"]
    pixels = np.random.RandomState(1).randint(0, 256, (8, 8, 3)).astype(np.uint8)
    found = scale_hsv(pixels, np.random.RandomState(0).uniform(-1, 1, 3) * expected["hyp"] + 1)
    assert int(found.sum(dtype=np.int64)) == expected["sum"]
    assert (found[0, 0].tolist(), found[7, 7].tolist()) == (expected["px00"], expected["px77"])


def test_a_crop_after_a_mosaic_halves_the_side() -> None:
    rng = np.random.default_rng(0)
    scene = mosaic4([tile(128, 96, i) for i in range(4)], 128, rng)
    cropped = random_perspective(scene, Augmentation(scale=0.9, translate=0.2), rng, border=(-64, -64))
    assert cropped.pixels.shape == (128, 128, 3)


def test_boxes_that_are_hardly_seen_are_dropped() -> None:
    labels = np.array([[0, 0, 0, 40, 40], [1, 90, 90, 130, 130], [2, 10, 10, 11, 11], [3, 0, 50, 100, 53]], np.float32)
    still = Augmentation(scale=0.0)
    pixels = np.zeros((100, 100, 3), np.uint8)
    found = random_perspective(Scene(pixels, labels), still, np.random.default_rng(0), border=(0, 0))
    assert found.labels[:, 0].tolist() == [0], "outside by 94 %, smaller than 2 px, and a stripe are gone"


def test_a_polygon_outside_of_the_picture_is_dropped() -> None:
    outlines = [np.array([(x, 10), (x + 30, 10), (x + 30, 40)], np.float32) for x in (20, -50, 120, 85)]
    labels = np.array([[i, *o.min(0), *o.max(0)] for i, o in enumerate(outlines)], np.float32)
    scene = Scene(np.zeros((100, 100, 3), np.uint8), labels, outlines)
    found = random_perspective(scene, Augmentation(), np.random.default_rng(3))
    assert found.labels[:, 0].tolist() == [0, 3]
    assert len(found.polygons) == 2
    assert found.labels[:, 1:].max() <= 100
    assert found.labels[:, 1:].min() >= 0


def test_mixup_joins_labels_and_blends_pixels() -> None:
    first, second = (Scene(np.full((8, 8, 3), v, np.uint8), np.full((1, 5), v, np.float32)) for v in (0, 200))
    scene = mixup(first, second, np.random.default_rng(0))
    assert scene.labels[:, 0].tolist() == [0, 200]
    assert 20 < scene.pixels.mean() < 180


def test_hsv_of_ones_changes_nothing_but_rounding_and_gains_change_brightness() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    same = scale_hsv(pixels, np.ones(3))
    assert np.abs(same.astype(int) - pixels).max() <= 6
    darker = scale_hsv(pixels, np.array((1, 1, 0.5)))
    assert darker.max(2).mean() == pytest.approx(pixels.max(2).mean() / 2, rel=0.02)
    grey = scale_hsv(pixels, np.array((1, 0, 1)))
    assert np.ptp(grey, axis=2).max() <= 1


def object_scene() -> Scene:
    pixels = np.full((100, 200, 3), GREY, np.uint8)
    outline = np.array([(20, 20), (60, 20), (60, 50), (20, 50)], np.float32)
    cv2.fillPoly(pixels, [outline.astype(np.int32)], (255, 255, 255))
    return Scene(pixels, np.array([[1, 20, 20, 60, 50]], np.float32), [outline])


def test_copy_paste_mirrors_an_object_where_there_is_room() -> None:
    scene = object_scene()
    pasted = copy_paste(scene, 1.0, np.random.default_rng(0))
    assert pasted.labels[:, 1:].tolist() == [[20, 20, 60, 50], [140, 20, 180, 50]]
    assert (pasted.pixels[25:45, 145:175] == 255).all()
    assert (scene.pixels[:, 100:] == GREY).all(), "the given scene was changed"
    blocked = Scene(scene.pixels, np.array([[1, 20, 20, 60, 50], [0, 140, 20, 180, 50]], np.float32), scene.polygons)
    blocked.polygons = [*scene.polygons, np.zeros((0, 2), np.float32)]
    assert len(copy_paste(blocked, 1.0, np.random.default_rng(0)).labels) == 2


def test_paste_in_labels_what_it_pastes_and_hides_nothing() -> None:
    source = object_scene()
    cutout = cut_out(source.pixels, 1, source.polygons[0])
    assert cutout is not None
    pasted_at_all = 0
    for trial in range(20):
        base = Scene(np.zeros((128, 128, 3), np.uint8), np.array([[0, 40, 40, 100, 100]], np.float32))
        scene = paste_in(base, lambda: cutout, np.random.default_rng(trial))
        pasted_at_all += len(scene.labels) - 1
        assert scene.labels[:, 1:].min() >= 0
        assert scene.labels[:, 1:].max() <= 128
        for _, x1, y1, x2, y2 in scene.labels[1:].astype(int):
            assert scene.pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > GREY - 1
        hidden = (scene.pixels[40:100, 40:100].min(2) > 0).mean()
        assert hidden < 0.3
    assert pasted_at_all > 10


def test_paste_in_without_objects_changes_nothing() -> None:
    def nothing() -> Cutout | None:
        return None

    base = Scene(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 5), np.float32))
    scene = paste_in(base, nothing, np.random.default_rng(0))
    assert len(scene.labels) == 0
    assert not scene.pixels.any()


@pytest.mark.parametrize("hyp", [{"mosaic": 1.5}, {"fliplr": -0.1}, {"scale": "half"}, {"degrees": True}])
def test_impossible_hyperparameters_are_named(hyp: dict[str, object]) -> None:
    with pytest.raises(YoloqatError, match=next(iter(hyp))):
        Augmentation.from_hyp(hyp)


def test_hyperparameters_of_other_kinds_are_left_alone() -> None:
    assert Augmentation.from_hyp({"lr0": 0.01, "mosaic": 1, "scale": 0.9}) == Augmentation(mosaic=1.0, scale=0.9)
