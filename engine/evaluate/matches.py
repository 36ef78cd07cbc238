"""`*_matches.npz`: the true positives of an evaluation, image by image, from which it can be resampled."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.contracts.errors import YoloqatError
from engine.files.atomic import atomic_stream

SUFFIX = "_matches.npz"
_SCHEMA = 1
# Raised by zipfile, zlib and numpy for files that are truncated, or in which single bytes are wrong.
_READ_ERRORS = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_BITS = 1 << np.arange(10, dtype=np.uint16)


@dataclass(frozen=True)
class Matches:
    """Labels and detections of one evaluation without their boxes."""

    data: str
    """SHA-256 of the evaluated images and labels, as in the evaluation's settings."""
    ap: str
    """`yolov7` or `yolov5`: where the recall curve ends."""
    images: tuple[str, ...]
    """File names, in the order of the evaluation."""
    detection_images: np.ndarray
    """(n,) int32 index into `images`."""
    scores: np.ndarray
    """(n,) float32."""
    classes: np.ndarray
    """(n,) int16."""
    correct: np.ndarray
    """(n, 10) bool at IoU 0.50 to 0.95, see `match`."""
    label_images: np.ndarray
    """(m,) int32 index into `images`."""
    labels: np.ndarray
    """(m,) int16 class."""

    @classmethod
    def collect(
        cls,
        data: str,
        ap: str,
        images: Sequence[str],
        detections: Sequence[np.ndarray],
        correct: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
    ) -> "Matches":
        """Combine the detections and labels of all images.

        Args:
            data: SHA-256 of images and labels.
            ap: `yolov7` or `yolov5`.
            images: paths.
            detections: per image (n, 6) x1, y1, x2, y2, score, class.
            correct: per image (n, 10) bool.
            labels: per image (m, 5) class, x1, y1, x2, y2.
        """
        rows = np.concatenate([np.zeros((0, 6)), *detections])
        return cls(
            data=data,
            ap=ap,
            images=tuple(Path(path).name for path in images),
            detection_images=_image_indices(detections),
            scores=rows[:, 4].astype(np.float32),
            classes=rows[:, 5].astype(np.int16),
            correct=np.concatenate([np.zeros((0, 10), bool), *correct]),
            label_images=_image_indices(labels),
            labels=np.concatenate([np.zeros((0, 5)), *labels])[:, 0].astype(np.int16),
        )

    def save(self, path: Path) -> None:
        """Write the file atomically; about 4 bytes per detection."""
        with atomic_stream(path) as file:
            np.savez_compressed(
                file,
                schema=np.int64(_SCHEMA),
                data=np.str_(self.data),
                ap=np.str_(self.ap),
                images=np.array(self.images, dtype=np.str_),
                detection_images=self.detection_images,
                scores=self.scores,
                classes=self.classes,
                correct=(self.correct * _BITS).sum(1, dtype=np.uint16),
                label_images=self.label_images,
                labels=self.labels,
            )

    @classmethod
    def load(cls, path: Path) -> "Matches":
        """Read a file written by `save`.

        Raises:
            YoloqatError: the file is missing, damaged or not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if int(arrays["schema"]) != _SCHEMA:
                raise ValueError(f"schema {arrays['schema']}")
            return cls(
                data=str(arrays["data"]),
                ap=str(arrays["ap"]),
                images=tuple(arrays["images"].tolist()),
                correct=(arrays["correct"][:, None] & _BITS) > 0,
                **{name: arrays[name] for name in ("detection_images", "scores", "classes", "label_images", "labels")},
            )
        except _READ_ERRORS as error:
            raise YoloqatError(
                f"cannot read the matches of this evaluation: {error}",
                where=str(path),
                hint="Evaluate the model again.",
            ) from error


def _image_indices(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.repeat(np.arange(len(arrays), dtype=np.int32), [len(rows) for rows in arrays])
