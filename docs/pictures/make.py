"""Make the README's picture of the screen from the recorded workspace: `python -m docs.pictures.make`.

`tests/pictures` compares the stored picture with what this makes, so that it cannot show a screen of the past.
"""

import asyncio
import tempfile
from pathlib import Path

from tests.pictures.screens import README_PICTURE, take

README_SVG = Path(__file__).with_name(f"{README_PICTURE.name}.svg")


async def make(folder: Path, expected: str = "") -> str:
    """Return the picture as SVG; `folder` is an empty one, for `expected` see `take`."""
    return await take(README_PICTURE, folder, expected)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        README_SVG.write_text(asyncio.run(make(Path(temporary))), encoding="utf-8")
