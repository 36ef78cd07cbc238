"""The path of the index of a workspace, decided here alone."""

from pathlib import Path

from engine.contracts.run_folder import Workspace


def index_file(workspace: Workspace) -> Path:
    """Return the path of the database of a workspace."""
    return workspace.database
