"""Paths of a split's images and of their label files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.data.config import DataConfig

IMAGE_SUFFIXES = frozenset({".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".dng", ".webp", ".mpo"})
IMAGES_FOLDER, LABELS_FOLDER = f"{os.sep}images{os.sep}", f"{os.sep}labels{os.sep}"


def list_images(config: DataConfig, split: str) -> list[str]:
    """Return the absolute paths of a split's images, each once, in lexicographic order.

    A source is a folder (searched recursively, without hidden files) or a text file with one image path per line.

    Raises:
        YoloqatError: the split is missing, or has no image.
    """
    images: set[str] = set()
    for source in config.sources(split):
        images.update(_images_in_folder(source) if source.is_dir() else _images_in_list(source))
    if not images:
        raise YoloqatError(
            f"`{split}` has no image in {', '.join(map(str, config.sources(split)))}",
            where=str(config.path),
            hint=f"Images end with {', '.join(sorted(s[1:] for s in IMAGE_SUFFIXES))}.",
        )
    return sorted(images)


def label_paths(images: Iterable[str]) -> list[str]:
    """Return the label file of each image: `images` in its folder becomes `labels`, its suffix `.txt`.

    If a path has several folders called `images`, the last one with an existing `labels` folder is replaced, since a
    folder above the data set may have that name too. If it has none, the label file lies beside the image.
    """
    folders: dict[str, str] = {}
    paths = []
    for image in images:
        folder, name = os.path.split(image)
        if folder not in folders:
            folders[folder] = _label_folder(folder)
        paths.append(os.path.join(folders[folder], os.path.splitext(name)[0] + ".txt"))
    return paths


def _label_folder(folder: str) -> str:
    text = folder + os.sep
    candidates = []
    position = text.rfind(IMAGES_FOLDER)
    while position >= 0:
        candidates.append((text[:position] + LABELS_FOLDER + text[position + len(IMAGES_FOLDER) :]).rstrip(os.sep))
        position = text.rfind(IMAGES_FOLDER, 0, position + len(IMAGES_FOLDER) - 1)
    if not candidates:
        return folder
    return next((c for c in candidates if os.path.isdir(c)), candidates[0])


def _images_in_folder(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield os.path.join(parent, name)


def _images_in_list(file: Path) -> list[str]:
    """Read a list file; `./` is the list's folder, other relative paths start there or in the working directory."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise YoloqatError(
            "not a text file that lists images",
            where=str(file),
            hint="A split names a folder of images, or a text file with one image path per line.",
        ) from error
    lines = [line for line in lines if line]
    list_folder = str(file.parent)
    first_relative = next((line for line in lines if not os.path.isabs(line) and not line.startswith("./")), "")
    is_beside_list = not first_relative or os.path.exists(os.path.join(list_folder, first_relative))
    base = list_folder if is_beside_list else os.getcwd()
    return [
        os.path.normpath(os.path.join(list_folder if line.startswith("./") else base, line))
        for line in lines
        if os.path.splitext(line)[1].lower() in IMAGE_SUFFIXES
    ]
