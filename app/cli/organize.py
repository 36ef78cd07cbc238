"""`yoloqat rename`, `tag`, `note`, `archive`, `delete`, `undelete`, `trash`: annotations, and deleted runs."""

import argparse

from app.cli.commands import Handlers
from app.cli.output import say, say_workspace, table


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="a run")


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", metavar="RUN", nargs="+", help="runs or groups")


def _add_rename(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument("name", metavar="NAME", help="the new name; id and folder stay the same")


def _rename(arguments: argparse.Namespace) -> int:
    """Rename a run."""
    from app.runs.annotations import rename_run
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    old_name = rename_run(workspace, arguments.reference, arguments.name, say)
    print(f"{old_name} renamed to {arguments.name}")
    return 0


def _add_tag(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument("tags", metavar="TAG", nargs="*", help="tags to add; none lists the run's tags")
    parser.add_argument("-d", "--delete", metavar="TAG", nargs="+", default=[], help="remove these tags")


def _tag(arguments: argparse.Namespace) -> int:
    """Add and remove tags, and print the resulting ones."""
    from app.runs.annotations import tag_run
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    print(" ".join(tag_run(workspace, arguments.reference, arguments.tags, arguments.delete, say)) or "no tags")
    return 0


def _add_note(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the note; an empty one removes it; none prints it")


def _note(arguments: argparse.Namespace) -> int:
    """Write or print a run's note."""
    from app.runs.annotations import note_run, read_note
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    if arguments.text is not None:
        note_run(workspace, arguments.reference, arguments.text, say)
    print(read_note(workspace, arguments.reference) or "no note")
    return 0


def _add_archive(parser: argparse.ArgumentParser) -> None:
    _add_runs(parser)
    parser.add_argument("--undo", action="store_true", help="show archived runs in the list again")


def _archive(arguments: argparse.Namespace) -> int:
    """Hide runs from the list; their files stay untouched."""
    from app.runs.annotations import archive_run
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids, read_name

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run_id in find_ids(workspace, *arguments.references):
        archive_run(workspace, run_id, not arguments.undo, say)
        name = read_name(workspace.run(run_id)).name
        print(f"{name}: {'shown in the list again' if arguments.undo else 'archived; `yoloqat ls --all` lists it'}")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    """Move runs into the trash."""
    from app.runs.trash import delete_runs
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run in delete_runs(workspace, find_ids(workspace, *arguments.references)):
        print(f"{run.name}: in the trash; `yoloqat undelete {run.name}` restores it")
    return 0


def _add_undelete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", metavar="RUN", nargs="*", help="deleted runs (default: the last deleted one)")


def _undelete(arguments: argparse.Namespace) -> int:
    """Restore runs from the trash."""
    from app.runs.trash import undelete_runs
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run in undelete_runs(workspace, arguments.references):
        print(f"{run.name} ({run.id}) restored")
    return 0


def _add_trash(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--empty", action="store_true", help="delete the runs in the trash for good")


def _trash(arguments: argparse.Namespace) -> int:
    """List the deleted runs, or delete them for good."""
    from app.runs.trash import empty_trash, trashed_runs
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    if arguments.empty:
        count = empty_trash(workspace)
        print(f"{count} {'run' if count == 1 else 'runs'} deleted for good")
        return 0
    runs = trashed_runs(workspace)
    print(table(("NAME", "ID"), [(run.name, run.id) for run in runs]) if runs else "the trash is empty")
    return 0


COMMANDS = {
    "rename": Handlers(_add_rename, _rename),
    "tag": Handlers(_add_tag, _tag),
    "note": Handlers(_add_note, _note),
    "archive": Handlers(_add_archive, _archive),
    "delete": Handlers(_add_runs, _delete),
    "undelete": Handlers(_add_undelete, _undelete),
    "trash": Handlers(_add_trash, _trash),
}
