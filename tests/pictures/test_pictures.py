"""Each screen looks like its stored picture."""

from pathlib import Path

import pytest

from docs.pictures.make import README_SVG, make_readme_picture
from tests.pictures.picture import compare
from tests.pictures.screens import PICTURES, Picture, take_picture

STORED = Path(__file__).parent
FAILED = STORED / "failed"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
async def test_a_screen_looks_as_in_its_picture(picture: Picture, tmp_path: Path, update_pictures: bool) -> None:
    stored = STORED / f"{picture.name}.svg"
    check(await take_picture(picture, tmp_path, expected_of(stored, update_pictures)), stored, update_pictures)


async def test_the_readmes_picture_is_what_its_script_makes(tmp_path: Path, update_pictures: bool) -> None:
    check(await make_readme_picture(tmp_path, expected_of(README_SVG, update_pictures)), README_SVG, update_pictures)


def expected_of(stored: Path, update: bool) -> str:
    return "" if update or not stored.is_file() else stored.read_text(encoding="utf-8")


def check(actual: str, stored: Path, update: bool) -> None:
    if update:
        stored.write_text(actual, encoding="utf-8")
    difference = compare(actual, stored, FAILED)
    assert difference is None, str(difference)


def test_a_picture_that_differs_is_kept_beside_its_diff(tmp_path: Path) -> None:
    stored = STORED / "runs-80x24.svg"
    svg = stored.read_text(encoding="utf-8")
    assert compare(svg, stored, tmp_path) is None
    difference = compare(svg.replace("qat", "tqa"), stored, tmp_path)
    assert difference is not None
    assert (tmp_path / "runs-80x24.svg").read_text(encoding="utf-8") == svg.replace("qat", "tqa")
    assert "tqa" in (tmp_path / "runs-80x24.diff").read_text(encoding="utf-8")
    for part in ("tqa", "--update-pictures", str(tmp_path / "runs-80x24.svg"), str(tmp_path / "runs-80x24.diff")):
        assert part in str(difference)


def test_pictures_hold_nothing_of_the_machine_that_took_them() -> None:
    import socket

    for path in STORED.glob("*.svg"):
        svg = path.read_text(encoding="utf-8")
        for word in (str(Path.home()), "/tmp", "https://cdn", socket.gethostname()):
            assert word not in svg, f"{path.name} holds {word}"
