"""`yoloqat resume RUN`"""

import argparse

from app.cli.executor import add_engine_python
from app.cli.output import print_json, say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "reference", metavar="RUN", help="a run, or the name of a pipeline's group for what is left of it"
    )
    parser.add_argument("--anew", action="store_true", help="begin anew, with the command line of the first attempt")
    add_engine_python(parser)
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Start the next attempt, detached; returns at once."""
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
        where = f"goes on from {run.checkpoint}" if run.checkpoint else "begins anew"
        print(f"{run.name}: attempt {run.attempt} {where}")
    return 0
