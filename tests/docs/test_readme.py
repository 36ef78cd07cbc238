"""What the README shows of the program is what the program has."""

import re

import pytest

from app.keymap import KEYMAP, sign, table
from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"
_KEYS = re.compile(r"(?<=<!-- keys -->\n).*?(?=<!-- /keys -->)", re.DOTALL)


def test_the_table_of_keys_is_the_keymap(update_pictures: bool) -> None:
    text = README.read_text(encoding="utf-8")
    assert len(_KEYS.findall(text)) == 1, "the README has no place for the table: <!-- keys --> … <!-- /keys -->"
    if update_pictures:
        text = _KEYS.sub(lambda _: f"{table()}\n", text)
        README.write_text(text, encoding="utf-8")
    assert _KEYS.findall(text) == [f"{table()}\n"], "bring it up to date: pytest tests/docs --update-pictures"


def test_the_table_has_every_binding_once() -> None:
    rows = table().splitlines()[2:]
    assert len(rows) == len(set(rows)) == sum(len(scope.keys) for scope in KEYMAP.values())
    assert "| Runs | `/` | Filter while you type: relu map>0.48 state:failed -tag:old. |" in rows


@pytest.mark.parametrize(("key", "shown"), [("ctrl+s", "^s"), ("left_square_bracket", "["), ("space", "space")])
def test_keys_are_written_as_people_write_them(key: str, shown: str) -> None:
    assert sign(key) == shown


def test_every_picture_of_the_readme_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert pictures
    assert all((REPOSITORY / picture).is_file() for picture in pictures)
