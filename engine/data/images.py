"""Decoded images at training size, cached in memory up to a budget."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from engine.contracts.errors import YoloqatError

JPEG_REDUCTIONS = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))
SMALL_DATA_SET_BYTES = 256 * 2**20
"""A data set whose decoded images take at most this is cached even without `--cache-images`."""


@dataclass(frozen=True)
class LoadedImage:
    """One decoded image, its long side scaled to the image size."""

    pixels: np.ndarray
    """(h, w, 3) uint8 BGR. Shared: never change it in place."""
    original_hw: tuple[int, int]


class ImageStore:
    """Loads images scaled to `img_size`, and caches the most recently used ones."""

    def __init__(self, paths: list[str], sizes: np.ndarray, img_size: int, *, augment: bool, budget: int = 0) -> None:
        """Create an empty store.

        Args:
            paths: the images, loaded by index.
            sizes: (n, 2) width and height of each file.
            img_size: the long side of a loaded image, in pixels.
            augment: load for training: scale bilinearly, and decode a JPEG at a half or less if that is still large
                enough. Otherwise shrink by area averaging, as YOLOv7's evaluation does.
            budget: bytes of pixels that each process caches.
        """
        self.paths = paths
        self.sizes = sizes
        self.img_size = img_size
        self.augment = augment
        self.budget = budget
        self._cache: OrderedDict[int, LoadedImage] = OrderedDict()
        self._cache_bytes = 0

    @property
    def is_complete(self) -> bool:
        """Whether every image is in memory."""
        return len(self._cache) == len(self.paths)

    def __getitem__(self, index: int) -> LoadedImage:
        """Load one image.

        Raises:
            YoloqatError: the file was deleted or cannot be decoded.
        """
        cached = self._cache.get(index)
        if cached is not None:
            if not self.is_complete:
                self._cache.move_to_end(index)
            return cached
        image = self._load(index)
        self._add_to_cache(index, image)
        return image

    def total_bytes(self) -> int:
        """Return the bytes of all images at their loaded size."""
        loaded_sizes = self.sizes * (self.img_size / self.sizes.max(1, keepdims=True))
        return int((np.ceil(loaded_sizes).prod(1) * 3).sum())

    def load_all(self, limit: int = SMALL_DATA_SET_BYTES) -> bool:
        """Load all images now, to be shared by workers, if they take at most `limit` bytes; return whether they do."""
        if not self.is_complete and self.total_bytes() <= limit:
            self.budget = limit
            with ThreadPoolExecutor(4) as pool:
                for index, image in enumerate(pool.map(self._load, range(len(self.paths)))):
                    self._add_to_cache(index, image)
        return self.is_complete

    def _load(self, index: int) -> LoadedImage:
        path = self.paths[index]
        flag = _decode_flag(path, int(self.sizes[index].max()), self.img_size) if self.augment else cv2.IMREAD_COLOR
        pixels = cv2.imread(path, flag)
        if pixels is None:
            raise YoloqatError(
                "the image was deleted or cannot be decoded", where=path, hint="Restore or remove it, then start again."
            )
        if flag == cv2.IMREAD_COLOR:
            height, width = pixels.shape[:2]
        else:
            width, height = (int(side) for side in self.sizes[index])
        return LoadedImage(_scale_long_side(pixels, (height, width), self.img_size, self.augment), (height, width))

    def _add_to_cache(self, index: int, image: LoadedImage) -> None:
        if image.pixels.nbytes > self.budget:
            return
        self._cache[index] = image
        self._cache_bytes += image.pixels.nbytes
        while self._cache_bytes > self.budget:
            _, oldest = self._cache.popitem(last=False)
            self._cache_bytes -= oldest.pixels.nbytes


def _scale_long_side(pixels: np.ndarray, original_hw: tuple[int, int], img_size: int, augment: bool) -> np.ndarray:
    """Scale pixels so that the long side of the original becomes `img_size`, up or down."""
    height, width = original_hw
    scale = img_size / max(height, width)
    if scale == 1:
        return pixels
    method = cv2.INTER_AREA if scale < 1 and not augment else cv2.INTER_LINEAR
    return cv2.resize(pixels, (max(1, int(width * scale)), max(1, int(height * scale))), interpolation=method)


def _decode_flag(path: str, long_side: int, img_size: int) -> int:
    """Return the flag of libjpeg's strongest reduction that leaves at least `img_size` pixels."""
    if path.lower().endswith((".jpg", ".jpeg")):
        for factor, flag in JPEG_REDUCTIONS:
            if long_side >= factor * img_size:
                return flag
    return cv2.IMREAD_COLOR
