"""Checks that a file is a readable image, without decoding it if the format allows."""

import os

from PIL import Image, UnidentifiedImageError

FORMATS = frozenset({"BMP", "JPEG", "PNG", "TIFF", "DNG", "WEBP", "MPO"})
MIN_SIDE = 10
EXIF_ORIENTATION = 274
JPEG_END = b"\xff\xd9"


def image_size(path: str) -> tuple[int, int]:
    """Return width and height in pixels, after the rotation of its EXIF data.

    Raises:
        ValueError: the file cannot be used; the message says why.
    """
    try:
        with Image.open(path) as image:
            if image.format not in FORMATS:
                raise ValueError(f"the image format {image.format} is not supported")
            width, height = image.size
            if image.format in ("JPEG", "MPO") and not _ends_with(path, JPEG_END):
                image.load()
            if _is_rotated_by_exif(image):
                width, height = height, width
            image.verify()
    except UnidentifiedImageError:
        is_empty = os.path.getsize(path) == 0
        raise ValueError("the file is empty" if is_empty else "not an image") from None
    except FileNotFoundError:
        raise ValueError("the image does not exist") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read: {error}") from error
    if width < MIN_SIDE or height < MIN_SIDE:
        raise ValueError(f"the image is only {width}×{height} pixels")
    return width, height


def _is_rotated_by_exif(image: Image.Image) -> bool:
    """Return whether the EXIF orientation is one of the four that swap width and height."""
    return "exif" in image.info and image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)


def _ends_with(path: str, ending: bytes) -> bool:
    """Return whether a file ends so. A JPEG without its end marker may be truncated, and must be decoded to know."""
    with open(path, "rb") as file:
        file.seek(-len(ending), os.SEEK_END)
        return file.read() == ending
