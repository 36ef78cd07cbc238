"""Every path, command and link that the documents name exists."""

import argparse
import re
from pathlib import Path

import pytest

from app.cli.main import build_parser

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "app/README.md", "db/README.md", "engine/README.md")),
]
SOURCE_PATH = re.compile(r"`((?:app|db|engine|configs|tests|docs)/[\w./-]*)`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^|`)(?:\.venv/bin/)?yoloqat ([a-z][a-z0-9]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def commands() -> set[str]:
    [subparsers] = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return set(subparsers.choices)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path, commands: set[str]) -> None:
    text = page.read_text(encoding="utf-8")
    paths = [path for path in SOURCE_PATH.findall(text) if not (ROOT / path).exists()]
    links = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    unknown = set(COMMAND.findall(text)) - commands
    assert (paths, links, unknown) == ([], [], set())
