"""Data sets for training and for evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engine.contracts.errors import YoloqatError
from engine.data.augment.augmentation import Augmentation, Scene
from engine.data.augment.colour import random_hsv
from engine.data.augment.mosaic import Tile, mixup, mosaic4, mosaic9, tile_labels
from engine.data.augment.paste import Cutout, copy_paste, cut_out, paste_in
from engine.data.augment.perspective import random_perspective
from engine.data.boxes import fractions_to_pixels, pixels_to_fractions
from engine.data.images import ImageStore
from engine.data.letterbox import letterbox, letterbox_geometry
from engine.data.rectangles import aspect_order, batch_shapes
from engine.data.scanning.labeled import LabeledImages

NINE_TILE_SHARE = 0.2
"""Share of mosaics with nine tiles; the others have four."""
CUTOUT_CHOICES = 30
"""Paste-in chooses among at least so many objects, if there are."""

Shapes = tuple[tuple[int, int], tuple[tuple[float, float], tuple[float, float]]]
"""(height, width) of the file; then scale (height, width) and padding (left, top) from the file to the batch."""


@dataclass(frozen=True)
class Sample:
    """One image with its targets, before batching."""

    image: Tensor
    """(3, h, w) uint8 RGB."""
    targets: np.ndarray
    """(n, 5) float32: class, cx, cy, w, h as fractions of this image."""
    path: str
    shapes: Shapes | None
    """None for an augmented image, whose boxes cannot be mapped back to the file."""


class SampleDataset(Dataset[Sample]):
    """Base of data sets that return errors as values: exceptions of workers arrive as the text of a traceback."""

    def __getitems__(self, keys: Sequence[Any]) -> list[Sample] | YoloqatError:
        try:
            return [self[key] for key in keys]
        except YoloqatError as error:
            return error


class ValDataset(SampleDataset):
    """Letterboxed images without augmentation."""

    def __init__(
        self,
        images: LabeledImages,
        img_size: int,
        *,
        letterbox: Literal["rect", "square"] = "rect",
        batch_size: int = 32,
        stride: int = 32,
        pad: float = 0.5,
    ) -> None:
        """Compute order and shapes, without loading images.

        Args:
            images: the labelled images.
            img_size: long side of an image in pixels.
            letterbox: `rect`: images sorted by aspect ratio, one shape per batch; `square`: every image in a square.
            batch_size: images per batch, which determines the shapes of `rect`.
            stride: every shape is a multiple of it.
            pad: padding that `rect` adds to each side, in strides.
        """
        self.shapes: np.ndarray
        if letterbox == "rect":
            images = images.subset(aspect_order(images.sizes))
            self.shapes = batch_shapes(images.sizes, img_size, batch_size, stride, pad)
        else:
            side = -(-img_size // stride) * stride
            self.shapes = np.full((len(images), 2), side)
        self.images = images
        self.img_size = img_size
        self.letterbox = letterbox
        self.store = ImageStore(images.paths, images.sizes, img_size, augment=False)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        loaded = self.store[index]
        h0, w0 = loaded.original_hw
        h, w = loaded.pixels.shape[:2]
        shape = (int(self.shapes[index][0]), int(self.shapes[index][1]))
        geometry = letterbox_geometry((h, w), shape, auto=False, scale_up=False)
        pixels = letterbox(loaded.pixels, geometry)
        label_rows = self.images.labels(index)
        (rw, rh), (dw, dh) = geometry.ratio, geometry.pad
        boxes = pixels_to_fractions(fractions_to_pixels(label_rows[:, 1:], rw * w, rh * h, dw, dh), shape[1], shape[0])
        targets = np.concatenate([label_rows[:, :1], boxes], 1)
        return Sample(as_tensor(pixels), targets, self.images.paths[index], ((h0, w0), ((h / h0, w / w0), (dw, dh))))


class TrainDataset(SampleDataset):
    """Augmented images. The same seed, epoch and index give the same sample in every process and order."""

    def __init__(
        self,
        images: LabeledImages,
        img_size: int,
        augmentation: Augmentation,
        *,
        seed: int = 0,
        rect: bool = False,
        batch_size: int = 16,
        stride: int = 32,
    ) -> None:
        """Compute order and shapes, without loading images.

        Args:
            images: the labelled images.
            img_size: long side of an image, and side of a mosaic, in pixels.
            augmentation: how to vary the images.
            seed: seed of all augmentation.
            rect: one shape per batch by aspect ratio, without mosaics.
            batch_size: images per batch, which determines the shapes of `rect`.
            stride: every shape is a multiple of it.
        """
        self.rect_shapes: np.ndarray | None = None
        if rect:
            images = images.subset(aspect_order(images.sizes))
            self.rect_shapes = batch_shapes(images.sizes, img_size, batch_size, stride, 0.0)
        self.images = images
        self.img_size = img_size
        self.augmentation = augmentation
        self.seed = seed
        self.store = ImageStore(images.paths, images.sizes, img_size, augment=True)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> list[np.ndarray]:
        """The labels (n, 5) of every image: class, cx, cy, w, h."""
        return [self.images.labels(i) for i in range(len(self.images))]

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """Load and augment one sample.

        Args:
            key: (epoch, index) from the sampler, or an index of epoch 0.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        rng = np.random.default_rng((self.seed, epoch, index))
        a = self.augmentation
        if self.rect_shapes is None and rng.random() < a.mosaic:
            scene = self._mosaic(index, rng)
            if rng.random() < a.mixup:
                scene = mixup(scene, self._mosaic(int(rng.integers(len(self))), rng), rng)
        else:
            scene = random_perspective(self._letterboxed_scene(index), a, rng)
        scene.pixels = random_hsv(scene.pixels, a, rng)
        if rng.random() < a.paste_in and self.images.has_polygons:
            cutouts = self._cutouts(rng)
            scene = paste_in(scene, lambda: next(cutouts, None), rng)
        return self._make_sample(scene, self.images.paths[index], rng)

    def _make_sample(self, scene: Scene, path: str, rng: np.random.Generator) -> Sample:
        """Flip a scene at random and convert it."""
        height, width = scene.pixels.shape[:2]
        boxes = pixels_to_fractions(scene.labels[:, 1:], width, height)
        pixels = scene.pixels
        if rng.random() < self.augmentation.flipud:
            pixels, boxes[:, 1] = pixels[::-1], 1 - boxes[:, 1]
        if rng.random() < self.augmentation.fliplr:
            pixels, boxes[:, 0] = pixels[:, ::-1], 1 - boxes[:, 0]
        return Sample(as_tensor(pixels), np.concatenate([scene.labels[:, :1], boxes], 1), path, None)

    def _tile(self, index: int) -> Tile:
        polygons = self.images.polygons(index) if self.images.has_polygons else []
        return self.store[index].pixels, self.images.labels(index), polygons

    def _mosaic(self, index: int, rng: np.random.Generator) -> Scene:
        count = 9 if rng.random() < NINE_TILE_SHARE else 4
        indices = [index, *(int(i) for i in rng.integers(len(self), size=count - 1))]
        make_mosaic = mosaic4 if count == 4 else mosaic9
        scene = make_mosaic([self._tile(i) for i in indices], self.img_size, rng)
        if self.augmentation.copy_paste:
            scene = copy_paste(scene, self.augmentation.copy_paste, rng)
        half = self.img_size // 2
        return random_perspective(scene, self.augmentation, rng, border=(-half, -half))

    def _letterboxed_scene(self, index: int) -> Scene:
        """Return one image letterboxed to the square of the image size, or to its batch's rectangle."""
        pixels, label_rows, polygons = self._tile(index)
        h, w = pixels.shape[:2]
        shape = (self.img_size, self.img_size)
        if self.rect_shapes is not None:
            shape = (int(self.rect_shapes[index][0]), int(self.rect_shapes[index][1]))
        geometry = letterbox_geometry((h, w), shape, auto=False)
        (rw, rh), (dw, dh) = geometry.ratio, geometry.pad
        labels = tile_labels(label_rows, rw * w, rh * h, dw, dh)
        outlines = [(p * (rw * w, rh * h) + (dw, dh)).astype(np.float32) for p in polygons]
        return Scene(letterbox(pixels, geometry), labels, outlines)

    def _cutouts(self, rng: np.random.Generator) -> Iterator[Cutout]:
        """Yield random objects of random images; an image is decoded only when one of its objects is taken."""
        choices: list[tuple[int, int]] = []
        for draw in range(CUTOUT_CHOICES):
            if len(choices) >= CUTOUT_CHOICES or (draw and not choices):
                break
            for index in rng.integers(len(self), size=4):
                polygons = self.images.polygons(int(index))
                choices += [(int(index), j) for j, p in enumerate(polygons) if len(p) and rng.random() < 0.5]
        while choices:
            index, j = choices[int(rng.integers(len(choices)))]
            pixels = self.store[index].pixels
            h, w = pixels.shape[:2]
            cutout = cut_out(pixels, self.images.labels(index)[j, 0], self.images.polygons(index)[j] * (w, h))
            if cutout is not None:
                yield cutout


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Convert (h, w, 3) BGR to (3, h, w) RGB, contiguous."""
    return torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1)))
