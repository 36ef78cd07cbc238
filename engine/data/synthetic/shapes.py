"""The demo's data set: circles, squares, triangles and stars, drawn over cluttered backgrounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from engine.console.tqdm_bar import Bar
from engine.data.synthetic.clutter import draw_background
from engine.data.synthetic.outlines import OUTLINES

NAMES = tuple(OUTLINES)
REFERENCE_SIZE = 128
"""Lengths below are given for images of this size and grow with it."""
SMALLEST, LARGEST = 24.0, 68.0
MAX_SHAPES = 4
MAX_COVERED = 0.25
"""Largest share of a shape that others may cover."""
MIN_CONTRAST = 100.0
"""Distance between a shape's colour and the background's mean under it, in RGB levels."""
SUBPIXEL_BITS = 4
JPEG_QUALITY = 95
ATTEMPTS = 30


@dataclass(frozen=True)
class Drawing:
    """A drawn image with its labels."""

    pixels: np.ndarray
    """(size, size, 3) uint8 BGR."""
    labels: np.ndarray
    """(n, 5) class, cx, cy, w, h as fractions."""


def draw_data_set(folder: Path, train: int, val: int, size: int, seed: int) -> Path:
    """Draw a YOLO-format data set. Image i of a split depends only on seed, split and size.

    Args:
        folder: where to write `shapes.yaml`, `images/` and `labels/`.
        train: number of training images.
        val: number of validation images.
        size: width and height in pixels.
        seed: the same seed draws the same pixels.

    Returns:
        The path of the data set YAML.
    """
    with Bar[int](desc="Drawing images", total=train + val) as bar:
        for split_index, (split, count) in enumerate((("train", train), ("val", val))):
            for kind in ("images", "labels"):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                _write_image(folder, split, f"{i:06d}", draw_image(size, np.random.default_rng((seed, split_index, i))))
                bar.update()
    path = folder / "shapes.yaml"
    description = {"seed": seed, "image_size": size, "train_images": train, "val_images": val}
    content = {"train": "images/train", "val": "images/val", "nc": len(NAMES), "names": list(NAMES)}
    path.write_text(
        "# drawn by `yoloqat shapes`; paths are relative to this file\n"
        + yaml.safe_dump({**content, "drawn": description}, sort_keys=False),
        encoding="utf-8",
    )
    return path


def draw_image(size: int, rng: np.random.Generator) -> Drawing:
    """Draw one image of `size` × `size` pixels with one to four shapes."""
    scale = size / REFERENCE_SIZE
    pixels = draw_background(size, rng)
    labels: list[tuple[float, ...]] = []
    masks: list[np.ndarray] = []
    for _ in range(int(rng.integers(1, MAX_SHAPES + 1))):
        kind = int(rng.integers(len(NAMES)))
        placement = _place_outline(OUTLINES[NAMES[kind]], size, scale, masks, rng)
        if placement is None:
            continue
        outline, mask = placement
        _paint(pixels, mask, rng)
        masks.append(mask)
        labels.append((kind, *_box(outline, size)))
    noisy = pixels + rng.normal(0, rng.uniform(2, 7), pixels.shape)
    return Drawing(noisy.clip(0, 255).astype(np.uint8), np.array(labels, np.float64).reshape(-1, 5))


def _place_outline(
    draw_outline: Callable[[np.random.Generator], np.ndarray],
    size: int,
    scale: float,
    masks: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a random outline (k, 2) in pixels and its mask, with little overlap; None if there is no room."""
    for _ in range(ATTEMPTS):
        side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) * scale
        margin = 0.4 * side
        outline = draw_outline(rng) * side / 2 + rng.uniform(margin, size - margin, 2)
        mask = np.zeros((size, size), np.uint8)
        points = np.round(outline * 2**SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        solid = mask > 127
        if solid.any() and all(_overlap_share(solid, other > 127) <= MAX_COVERED for other in masks):
            return outline, mask
    return None


def _overlap_share(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection of two masks as a share of the smaller one."""
    return int((first & second).sum()) / min(int(first.sum()), int(second.sum()))


def _paint(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Paint the masked pixels plain, shaded or striped, in a colour that contrasts with the background."""
    background = pixels[mask > 127].mean(0)
    colour = _contrasting_colour(background, rng)
    size = len(mask)
    paint = np.broadcast_to(colour, pixels.shape).astype(np.float32)
    style = rng.random()
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    if style < 0.3:
        inside = along[mask > 127]
        shade = (along - inside.min()) / max(float(np.ptp(inside)), 1.0) - 0.5
        paint = paint + shade[:, :, None] * rng.uniform(20, 60)
    elif style < 0.45:
        period = rng.uniform(5, 12) * size / REFERENCE_SIZE
        paint = paint + np.sign(np.sin(2 * np.pi * along / period))[:, :, None] * rng.uniform(10, 25)
    alpha = mask[:, :, None].astype(np.float32) / 255
    pixels *= 1 - alpha
    pixels += paint.clip(0, 255) * alpha


def _contrasting_colour(background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random colour (3,) far from the given one; after some attempts the farthest corner of the cube."""
    for _ in range(ATTEMPTS):
        colour = rng.uniform(0, 255, 3)
        if np.linalg.norm(colour - background) >= MIN_CONTRAST:
            return colour
    return np.where(background < 128, 255.0, 0.0)


def _box(outline: np.ndarray, size: int) -> tuple[float, float, float, float]:
    """Return the box around the part of an outline inside the image: cx, cy, w, h as fractions."""
    low, high = outline.min(0).clip(0, size) / size, outline.max(0).clip(0, size) / size
    (cx, cy), (w, h) = (low + high) / 2, high - low
    return float(cx), float(cy), float(w), float(h)


def _write_image(folder: Path, split: str, name: str, drawing: Drawing) -> None:
    image = folder / "images" / split / f"{name}.jpg"
    cv2.imwrite(str(image), drawing.pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    rows = "".join(f"{int(kind)} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n" for kind, cx, cy, w, h in drawing.labels)
    (folder / "labels" / split / f"{name}.txt").write_text(rows, encoding="ascii")
