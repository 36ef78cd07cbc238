"""docs/dialects.md says of every dialect whether it is verified, and names samples that are there."""

import re

from engine.logs.registry import NAMES, UNVERIFIED, describe
from tests.conftest import REPOSITORY
from tests.engine.logs.reading import FIXTURES

TABLE = (REPOSITORY / "docs" / "dialects.md").read_text()
ROWS = {
    row[0].strip(" `"): row
    for line in TABLE.splitlines()
    if line.startswith("| `") and len(row := line.split("|")[1:-1]) == 4
}


def test_every_dialect_has_its_row() -> None:
    assert set(ROWS) == set(NAMES)
    assert {name for name, row in ROWS.items() if "**unverified**" in row[2]} == UNVERIFIED
    assert {"trtexec", "tensorboard", "nvidia-summary"} == UNVERIFIED


def test_every_sample_is_named_and_there() -> None:
    named = {name for row in ROWS.values() for name in re.findall(r"`([^`]+)`", row[3])}
    assert {path.name for path in FIXTURES.iterdir()} == {name for name in named if "/" not in name}
    assert all((REPOSITORY / name).is_file() for name in named if "/" in name)


def test_reports_say_it() -> None:
    assert [describe(name) for name in ("yolov7", "trtexec")] == ["yolov7", "trtexec (unverified)"]
