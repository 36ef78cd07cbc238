"""`yoloqat tag RUN [TAG…] [-d TAG…]`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="the run")
    parser.add_argument("tags", metavar="TAG", nargs="*", help="tags to add; without any, the run's tags are listed")
    parser.add_argument("-d", "--delete", metavar="TAG", nargs="+", default=[], help="tags to remove")


def call(arguments: argparse.Namespace) -> int:
    """Add and remove tags, and print those that there are."""
    from app.runs.annotations import tag_run
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    print(" ".join(tag_run(workspace, arguments.reference, arguments.tags, arguments.delete)) or "no tags")
    return 0
