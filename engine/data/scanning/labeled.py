"""The images of a split with their labels."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from engine.data.scanning.labels import BOX_COLUMNS, LabelRows


@dataclass
class LabeledImages:
    """The images of a split with their labels, in flat arrays that worker processes share without copying."""

    paths: list[str]
    sizes: np.ndarray
    """(n, 2) int32: width, height."""
    file_bytes: np.ndarray
    """(n,) int64: size of each image file."""
    label_rows: np.ndarray
    """(N, 5) float32: class, cx, cy, w, h of all labels, image after image."""
    label_starts: np.ndarray
    """(n + 1,) int64: image i has the rows label_starts[i] to label_starts[i + 1]."""
    points: np.ndarray
    """(M, 2) float32: polygon points of all labels."""
    point_starts: np.ndarray
    """(N + 1,) int64: label j has the points point_starts[j] to point_starts[j + 1]; none for a box."""
    missing: int = 0
    """Number of images without a label file, used as background."""
    empty: int = 0
    """Number of images with an empty label file, used as background."""
    warnings: list[str] = field(default_factory=list)
    """A line for each label file whose duplicate rows were dropped."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def label_file_count(self) -> int:
        return len(self.paths) - self.missing

    @property
    def has_polygons(self) -> bool:
        return len(self.points) > 0

    def labels(self, index: int) -> np.ndarray:
        """Return (k, 5) labels of one image: class, cx, cy, w, h. A view: copy before changing it."""
        return self.label_rows[self.label_starts[index] : self.label_starts[index + 1]]

    def polygons(self, index: int) -> list[np.ndarray]:
        """Return one (k, 2) polygon per label of an image, as fractions; k = 0 for a box."""
        first, end = self.label_starts[index], self.label_starts[index + 1]
        starts = self.point_starts[first : end + 1]
        return [self.points[a:b] for a, b in pairwise(starts)]

    def subset(self, indices: Sequence[int]) -> "LabeledImages":
        """Return the images at these indices, in this order."""
        rows = [LabelRows(self.labels(i), self.polygons(i)) for i in indices]
        index_array = np.asarray(indices, np.int64)
        return assemble(
            [self.paths[i] for i in index_array], self.sizes[index_array], self.file_bytes[index_array], rows
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over file names, sizes and labels, independent of folder and order."""
        names = [os.path.basename(path) for path in self.paths]
        digest = hashlib.sha256()
        for i in sorted(range(len(names)), key=lambda i: (names[i], self.paths[i])):
            digest.update(names[i].encode("utf-8", "surrogateescape") + b"\0")
            for array in (self.sizes[i], self.file_bytes[i], self.labels(i)):
                digest.update(array.tobytes() + b"\0")
        return digest.hexdigest()


def assemble(paths: list[str], sizes: np.ndarray, file_bytes: np.ndarray, rows: Sequence[LabelRows]) -> LabeledImages:
    """Combine the rows of one label file per image into flat arrays."""
    no_points = np.zeros((0, 2), np.float32)
    polygons = [p for r in rows for p in (r.segments or [no_points] * len(r.labels))]
    labels = [r.labels for r in rows if len(r.labels)]
    points = [p for p in polygons if len(p)]
    return LabeledImages(
        paths=paths,
        sizes=sizes.reshape(-1, 2),
        file_bytes=file_bytes,
        label_rows=np.concatenate(labels) if labels else np.zeros((0, BOX_COLUMNS), np.float32),
        label_starts=np.cumsum([0, *(len(r.labels) for r in rows)]),
        points=np.concatenate(points) if points else no_points,
        point_starts=np.cumsum([0, *map(len, polygons)]),
    )
