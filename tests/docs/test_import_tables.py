"""What the READMEs of `app` and `engine` say of imports is what import-linter holds, and what the code does."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.conftest import REPOSITORY

TREES = ("app", "engine")
OURS = ("app", "db", "engine")
_ROW = re.compile(r"^\| (`[^|]*`) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def table(tree: str) -> dict[tuple[str, ...], str]:
    """Rooms of each row → the outside packages of that row, as the README has them."""
    text = (REPOSITORY / tree / "README.md").read_text(encoding="utf-8")
    rows = text.partition("| room |")[2].partition("\n\n")[0]
    return {tuple(re.findall(r"`(\w+)`", rooms)): packages for rooms, packages in _ROW.findall(rows)}


def layers(tree: str) -> list[set[str]]:
    """The rooms of each layer, the upper ones first, as import-linter has them."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract.get("containers") == [tree])
    rooms = ({room.strip() for room in layer.split("|")} for layer in contract["layers"])
    return [layer - {"__main__"} for layer in rooms]


def outside_packages(tree: str, room: str) -> Iterator[str]:
    """What the files of a room import that is neither ours nor Python's, wherever in the file."""
    folder = REPOSITORY / tree / room
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                package = name.partition(".")[0]
                if package not in sys.stdlib_module_names and package not in OURS:
                    yield package


@pytest.mark.parametrize("tree", TREES)
def test_the_table_has_the_layers_of_the_contract_in_their_order(tree: str) -> None:
    assert [set(rooms) for rooms in table(tree)] == layers(tree)


@pytest.mark.parametrize("tree", TREES)
def test_the_table_names_every_outside_package_that_is_imported(tree: str) -> None:
    for rooms, told in table(tree).items():
        packages = sorted({package for room in rooms for package in outside_packages(tree, room)})
        expected = ", ".join(f"`{package}`" for package in packages) or "–"
        assert told == expected, f"{tree}/README.md, row of {', '.join(rooms)}: {expected}"
