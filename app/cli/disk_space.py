"""`yoloqat du` and `yoloqat prune`: what takes the space of a workspace, and what of it can go."""

import argparse

from app.cli.commands import Handlers
from app.cli.output import ask, print_json, say, say_workspace, table
from app.formatting import size
from engine.contracts.errors import YoloqatError

_MOST_RUNS = 20
"""In the table; the others take less."""


def _add_du(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help=f"list all runs, not only the {_MOST_RUNS} largest")
    parser.add_argument("--json", action="store_true", help="the bytes on the disk as JSON")


def _du(arguments: argparse.Namespace) -> int:
    """Tell what takes the space."""
    from app.runs.disk_use import KINDS, disk_use
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace, write=False)
    say_workspace(workspace)
    use = disk_use(workspace)
    places = {"trash": use.trash, "caches": use.caches, "index": use.index, "other": use.other}
    if arguments.json:
        runs = [{"id": run.run.id, "name": run.run.name, **run.bytes_by_kind, "total": run.total} for run in use.runs]
        print_json({"schema": 1, "workspace": workspace.path, "runs": runs, **places, "total": use.total})
        return 0
    shown = use.runs if arguments.all else use.runs[:_MOST_RUNS]
    rows = [(run.run.name, *(size(run.bytes_by_kind[kind]) for kind in KINDS), size(run.total)) for run in shown]
    if len(shown) < len(use.runs):
        rest = use.runs[len(shown) :]
        kinds = [size(sum(run.bytes_by_kind[kind] for run in rest)) for kind in KINDS]
        rows.append((f"{len(rest)} more runs", *kinds, size(sum(run.total for run in rest))))
    print(table(("RUN", *(kind.upper() for kind in KINDS), "TOTAL"), rows, right=range(1, len(KINDS) + 2)))
    print("\n" + ", ".join(f"{name} {size(size_bytes)}" for name, size_bytes in places.items() if size_bytes))
    print(f"{size(use.total)} in all; `yoloqat prune` shows what can go")
    return 0


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="list what can go, and delete nothing")
    parser.add_argument("--yes", action="store_true", help="delete it without a question")


def _prune(arguments: argparse.Namespace) -> int:
    """List what can go, and delete it after a question."""
    from app.runs.prune import removable, remove
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    items = removable(workspace)
    if not items:
        print("nothing can go")
        return 0
    total = sum(item.size_bytes for item in items)
    print(table(("CAN GO", "SIZE"), [(item.what, size(item.size_bytes)) for item in items], right=(1,)))
    if arguments.dry_run:
        print(f"{size(total)} would be freed")
        return 0
    answer = arguments.yes or ask(f"Delete {size(total)} for good?")
    if answer is None:
        raise YoloqatError(
            "nobody is there to be asked", where="yoloqat prune", hint="--yes deletes without a question."
        )
    if not answer:
        say("nothing deleted")
        return 0
    print(f"{size(remove(workspace, items))} freed")
    return 0


COMMANDS = {"du": Handlers(_add_du, _du), "prune": Handlers(_add_prune, _prune)}
