"""`yoloqat reindex`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments of its own."""


def call(arguments: argparse.Namespace) -> int:
    """Rebuild the database from the run folders."""
    from app.services.index import reindex
    from app.services.workspace import resolve_workspace

    workspace = resolve_workspace(arguments.workspace)
    say_workspace(workspace)
    report = reindex(workspace)
    print(report)
    return 0
