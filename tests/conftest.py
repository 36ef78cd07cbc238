"""Fixtures that every test folder shares."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def golden() -> Path:
    """Numbers computed by the original YOLOv7, copied into the repository."""
    return REPOSITORY / "tests" / "golden"


@pytest.fixture
def shared() -> Path:
    """Real logs and images that are not ours to ship; a test that needs them skips where they are absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with real logs and data is absent")
    return folder
