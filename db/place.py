"""Which file is the index of a workspace: the one place that decides it."""

from pathlib import Path

from engine.contracts.run_folder import Workspace


def index_file(workspace: Workspace) -> Path:
    """The database that serves the workspace. Everything that reads or writes the index asks here."""
    return workspace.database
