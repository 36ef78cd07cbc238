"""Fixtures of the tests above the engine."""

import pytest

from app.indexing.service import update_index


@pytest.fixture(autouse=True)
def index_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader asks for the indexer's process, index in this one, which has loaded it all: it saves a second.

    Commands that a test runs as processes ask for the real one, and so do tests with `@pytest.mark.indexer_process`.
    """
    if request.node.get_closest_marker("indexer_process") is None:
        monkeypatch.setattr("app.indexing.freshness.start_indexer", update_index)
