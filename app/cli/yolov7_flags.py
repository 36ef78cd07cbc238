"""Options of YOLOv7's own scripts that have no effect here, accepted so that its command lines work unchanged."""

import argparse

from app.cli.output import say

_RUNS = "runs are stored in the workspace"
_FREE_NAME = "a number is appended to a name in use"
_NO_WANDB = "nothing is uploaded"
_LAUNCHER = "torchrun sets the rank in the environment"

_IGNORED: dict[str, dict[str, tuple[bool, str]]] = {
    "retrain": {
        "project": (True, _RUNS),
        "exist-ok": (False, _FREE_NAME),
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
        "exist-ok": (False, _FREE_NAME),
        "save-json": (False, "pycocotools always runs"),
        "no-trace": (False, "models are never traced"),
    },
}
"""Stage → option → whether it takes a value, and why it is ignored."""


def add_arguments(stage: str, parser: argparse.ArgumentParser) -> None:
    """Declare the ignored options, hidden from `--help`."""
    for name, (takes_value, _) in _IGNORED.get(stage, {}).items():
        action = "store" if takes_value else "store_true"
        parser.add_argument(
            f"--{name}", dest=_destination(name), action=action, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def report_ignored(stage: str, arguments: argparse.Namespace) -> None:
    """Report the ignored options on the command line, and why each has no effect."""
    for name, (_, why) in _IGNORED.get(stage, {}).items():
        if hasattr(arguments, _destination(name)):
            say(f"--{name} has no effect: {why}")


def _destination(name: str) -> str:
    return f"ignored {name}"
