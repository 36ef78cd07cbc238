"""`yoloqat reindex`"""

import argparse

from app.cli.output import say_workspace
from app.formatting import duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the command has no arguments."""


def call(arguments: argparse.Namespace) -> int:
    """Rebuild the database from the run folders."""
    from app.indexing.service import reindex
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    report = reindex(workspace)
    print(f"{report.runs} runs, {report.epochs} epochs, {report.evaluations} evaluations in {duration(report.seconds)}")
    if report.backup_path is not None:
        print(f"the previous database is saved as {report.backup_path}")
    return 0
