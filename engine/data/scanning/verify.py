"""Is this file an image that can be decoded? Without decoding it, where its format allows."""

import os

from PIL import Image, UnidentifiedImageError

FORMATS = frozenset({"BMP", "JPEG", "PNG", "TIFF", "DNG", "WEBP", "MPO"})
MIN_SIDE = 10
EXIF_ORIENTATION = 274
JPEG_END = b"\xff\xd9"


def image_size(path: str) -> tuple[int, int]:
    """Width and height in pixels as they are after the rotation that the EXIF data ask for.

    Raises:
        ValueError: says why the file cannot be used.
    """
    try:
        with Image.open(path) as image:
            if image.format not in FORMATS:
                raise ValueError(f"the image format {image.format} is not supported")
            width, height = image.size
            if image.format in ("JPEG", "MPO") and not _ends_with(path, JPEG_END):
                image.load()
            if _exif_swaps_sides(image):
                width, height = height, width
            image.verify()
    except UnidentifiedImageError:
        empty = os.path.getsize(path) == 0
        raise ValueError("the file is empty" if empty else "this is not an image") from None
    except FileNotFoundError:
        raise ValueError("the image is not there") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read: {error}") from error
    if width < MIN_SIDE or height < MIN_SIDE:
        raise ValueError(f"the image is only {width}×{height} pixels")
    return width, height


def _exif_swaps_sides(image: Image.Image) -> bool:
    """True for the four orientations that turn the image by a quarter."""
    return "exif" in image.info and image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)


def _ends_with(path: str, ending: bytes) -> bool:
    """A JPEG without its end marker is truncated, or has something appended: only then it must be decoded to know."""
    with open(path, "rb") as file:
        file.seek(-len(ending), os.SEEK_END)
        return file.read() == ending
