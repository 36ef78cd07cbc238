"""Make the README's picture of the screen from the recorded workspace: `python -m docs.pictures.make`.

`tests/pictures` compares the stored picture with the output of this script, so that it cannot become outdated.
"""

import asyncio
import tempfile
from pathlib import Path

from tests.pictures.screens import README_PICTURE, take_picture

README_SVG = Path(__file__).with_name(f"{README_PICTURE.name}.svg")


async def make_readme_picture(folder: Path, expected: str = "") -> str:
    """Return the picture as SVG; `folder` is an empty folder, for `expected` see `take_picture`."""
    return await take_picture(README_PICTURE, folder, expected)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        README_SVG.write_text(asyncio.run(make_readme_picture(Path(temporary))), encoding="utf-8")
