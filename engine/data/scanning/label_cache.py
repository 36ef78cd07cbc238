"""The label cache: the result of a scan, in a file of plain arrays that is valid while no file changes."""

import hashlib
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data.scanning.labeled import LabeledImages
from engine.files.atomic import atomic_stream

SUFFIX = ".yoloqat.npz"
VERSION = 1
ARRAYS = ("sizes", "label_rows", "label_starts", "points", "point_starts")
ABSENT = (-1, -1)


@dataclass(frozen=True)
class LabelCache:
    """The cache file of a split, and the signature of the files that it must match."""

    path: Path
    signature: str
    """SHA-256 over path, size and modification time of every image and label file, and the number of classes."""
    image_bytes: np.ndarray
    """(n,) size of each image file; -1 if it does not exist."""

    @classmethod
    def of(cls, source: Path, images: list[str], labels: list[str], nc: int) -> "LabelCache":
        """Return the cache for these files, whether or not it exists."""
        image_stats, label_stats = [_stat(p) for p in images], [_stat(p) for p in labels]
        digest = hashlib.sha256(f"{VERSION} {nc}".encode())
        for path, (size, modified) in zip([*images, *labels], [*image_stats, *label_stats], strict=True):
            digest.update(f"{path}\0{size}\0{modified}\0".encode("utf-8", "surrogateescape"))
        image_bytes = np.array([size for size, _ in image_stats], np.int64)
        return cls(_cache_path(source, labels[0]), digest.hexdigest(), image_bytes)

    @property
    def stem(self) -> str:
        """The path without the suffix: the folder of labels, or the list file without its own suffix."""
        return str(self.path)[: -len(SUFFIX)]

    def read(self, images: list[str]) -> LabeledImages | None:
        """Read the cached labels; None if there is no cache, files have changed since, or the cache is damaged."""
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                if str(archive["signature"]) != self.signature:
                    return None
                arrays = {name: archive[name] for name in ARRAYS}
                counts, warnings = archive["counts"], [str(w) for w in archive["warnings"]]
                if str(archive["content"]) != _content_hash(arrays.values()):
                    return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        missing, empty = (int(c) for c in counts)
        return LabeledImages(
            images, file_bytes=self.image_bytes, missing=missing, empty=empty, warnings=warnings, **arrays
        )

    def write(self, labeled: LabeledImages) -> bool:
        """Write the labels atomically; return False if the folder is not writable, so that the next start scans again.

        The superuser does not write to a folder without write permission either: its removal was intended.
        """
        if not _has_write_permission(self.path.parent):
            return False
        arrays = {name: np.ascontiguousarray(getattr(labeled, name)) for name in ARRAYS}
        try:
            with atomic_stream(self.path) as file:
                np.savez(
                    file,
                    signature=np.array(self.signature),
                    content=np.array(_content_hash(arrays.values())),
                    counts=np.array([labeled.missing, labeled.empty]),
                    warnings=np.array(labeled.warnings, dtype=np.str_),
                    **arrays,
                )
        except OSError:
            return False
        return True


def _cache_path(source: Path, first_label: str) -> Path:
    """Return the path of the cache: beside the list file, or beside the folder of labels."""
    if source.is_dir():
        folder = Path(first_label).parent
        return folder.with_name(folder.name + SUFFIX)
    return source.with_name(source.stem + SUFFIX)


def _has_write_permission(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & 0o222)
    except OSError:
        return False


def _stat(path: str) -> tuple[int, int]:
    try:
        file_status = os.stat(path)
    except OSError:
        return ABSENT
    return file_status.st_size, file_status.st_mtime_ns


def _content_hash(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
