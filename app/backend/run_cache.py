"""The runs of a screen, kept current by applying changes."""

from app.backend.documents import RunChanges
from app.runs.reader import newest_first
from db.views import NEVER, RunView


class RunCache:
    """All runs by id, at the version of the last changes."""

    def __init__(self) -> None:
        self.version = NEVER
        self._runs: dict[str, RunView] = {}

    def apply(self, changes: RunChanges) -> None:
        """Apply changes."""
        if changes.complete:
            self._runs.clear()
        for run_id in changes.removed:
            self._runs.pop(run_id, None)
        self._runs |= {run.id: run for run in changes.runs}
        self.version = changes.version

    def listed(self, *, archived: bool) -> tuple[RunView, ...]:
        """Return the runs newest first, without archived ones unless `archived`."""
        return tuple(newest_first(self._runs.values(), archived=archived))
