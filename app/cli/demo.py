"""`yoloqat demo`: what `yoloqat-tui --demo` shows, without a screen."""

import argparse

from app.cli.executor import add_engine_python
from app.cli.output import say, say_workspace
from app.cli.run import follow_up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_engine_python(parser)


def call(arguments: argparse.Namespace) -> int:
    """Run the demo and print its table. Return 0 only when every step has succeeded."""
    from app.backend.demo import launch_demo
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    specs = launch_demo(workspace, arguments.engine_python)
    follow_up(workspace)
    say(f"{specs[0].group}: {' → '.join(spec.step or spec.name for spec in specs)}; Ctrl-C detaches")

    from app.cli.follow_group import follow_group

    return follow_group(workspace, specs)
