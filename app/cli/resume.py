"""`yoloqat resume RUN`"""

import argparse

from app.cli.executor import add_engine_python
from app.cli.output import print_json, say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="a run, or a group for its runs that have not succeeded")
    parser.add_argument(
        "--anew", action="store_true", help="start from the beginning, with the first attempt's command line"
    )
    add_engine_python(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Start the next attempt, detached, and return at once."""
    from app.launching.requeue import requeue
    from app.launching.resume import resume_group
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    requeue(workspace)
    resumed = resume_group(workspace, arguments.reference, anew=arguments.anew, engine_python=arguments.engine_python)
    if arguments.json:
        print_json({"schema": 1, "runs": resumed})
        return 0
    for run in resumed:
        where = f"resumes from {run.checkpoint}" if run.checkpoint else "starts from the beginning"
        print(f"{run.name}: attempt {run.attempt} {where}")
    return 0
