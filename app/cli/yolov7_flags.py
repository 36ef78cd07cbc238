"""Options of the original that mean nothing here. They are taken, so that its command lines work unchanged."""

import argparse

from app.cli.output import say

_RUNS = "runs lie in the workspace"
_NO_WANDB = "nothing is sent anywhere"
_LAUNCHER = "the launcher tells the rank through the environment"

_PASSED_OVER: dict[str, dict[str, tuple[bool, str]]] = {
    "retrain": {
        "project": (True, _RUNS),
        "exist-ok": (False, "a taken name is counted up"),
        "local_rank": (True, _LAUNCHER),
        "local-rank": (True, _LAUNCHER),
        "bucket": (True, _NO_WANDB),
        "entity": (True, _NO_WANDB),
        "bbox_interval": (True, _NO_WANDB),
        "artifact_alias": (True, _NO_WANDB),
        "upload_dataset": (False, _NO_WANDB),
    },
    "evaluate": {
        "project": (True, _RUNS),
        "exist-ok": (False, "a taken name is counted up"),
        "save-json": (False, "pycocotools always evaluates"),
        "no-trace": (False, "models are never traced"),
    },
}
"""Stage → option → whether it takes a value, and why it is passed over."""


def add_arguments(stage: str, parser: argparse.ArgumentParser) -> None:
    """Take the options, hidden from `--help`."""
    for name, (takes_value, _) in _PASSED_OVER.get(stage, {}).items():
        action = "store" if takes_value else "store_true"
        parser.add_argument(
            f"--{name}", dest=_destination(name), action=action, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def say_passed_over(stage: str, arguments: argparse.Namespace) -> None:
    """Tell what was typed and has no effect."""
    for name, (_, why) in _PASSED_OVER.get(stage, {}).items():
        if hasattr(arguments, _destination(name)):
            say(f"--{name} has no effect: {why}")


def _destination(name: str) -> str:
    return f"original {name}"
