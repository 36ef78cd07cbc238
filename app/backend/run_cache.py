"""The runs as somebody knows them who asks for changes again and again."""

from app.backend.documents import RunChanges
from app.runs.reader import newest_first
from db.reading.index import NEVER
from db.views import RunView


class RunCache:
    """All runs by id, at the version of the last answer."""

    def __init__(self) -> None:
        self.version = NEVER
        self._runs: dict[str, RunView] = {}

    def apply(self, changes: RunChanges) -> None:
        """Take an answer in."""
        if changes.complete:
            self._runs.clear()
        for run_id in changes.removed:
            self._runs.pop(run_id, None)
        self._runs |= {run.id: run for run in changes.runs}
        self.version = changes.version

    def listed(self, *, archived: bool) -> tuple[RunView, ...]:
        """Newest first; archived ones only where they are asked for."""
        return tuple(newest_first(self._runs.values(), archived=archived))
