"""`yoloqat rename`, `tag`, `note`, `archive`, `delete`, `undelete`, `trash`: what people say of runs, and the trash."""

import argparse

from app.cli.commands import Handlers
from app.cli.output import say_workspace, table


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="the run")


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", metavar="RUN", nargs="+", help="runs, or the name of a pipeline's group")


def _add_rename(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument("name", metavar="NAME", help="what to call it; its id and its folder stay")


def _rename(arguments: argparse.Namespace) -> int:
    """Rename a run."""
    from app.runs.annotations import rename_run
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    before = rename_run(workspace, arguments.reference, arguments.name)
    print(f"{before} is called {arguments.name} now")
    return 0


def _add_tag(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument("tags", metavar="TAG", nargs="*", help="tags to add; without any, the run's tags are listed")
    parser.add_argument("-d", "--delete", metavar="TAG", nargs="+", default=[], help="tags to remove")


def _tag(arguments: argparse.Namespace) -> int:
    """Add and remove tags, and print those that there are."""
    from app.runs.annotations import tag_run
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    print(" ".join(tag_run(workspace, arguments.reference, arguments.tags, arguments.delete)) or "no tags")
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
        note_run(workspace, arguments.reference, arguments.text)
    print(read_note(workspace, arguments.reference) or "no note")
    return 0


def _add_archive(parser: argparse.ArgumentParser) -> None:
    _add_runs(parser)
    parser.add_argument("--undo", action="store_true", help="put them back into the list")


def _archive(arguments: argparse.Namespace) -> int:
    """Take runs out of the list; nothing of them is touched."""
    from app.runs.annotations import archive_run
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids, read_name

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run_id in find_ids(workspace, *arguments.references):
        archive_run(workspace, run_id, not arguments.undo)
        name = read_name(workspace.run(run_id)).name
        print(f"{name}: {'back in the list' if arguments.undo else 'archived; `yoloqat ls --all` shows it'}")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    """Move runs into the trash."""
    from app.runs.trash import delete_runs
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run in delete_runs(workspace, find_ids(workspace, *arguments.references)):
        print(f"{run.name}: in the trash; `yoloqat undelete {run.name}` brings it back")
    return 0


def _add_undelete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", metavar="RUN", nargs="*", help="deleted runs; the last deleted one when none")


def _undelete(arguments: argparse.Namespace) -> int:
    """Take runs out of the trash."""
    from app.runs.trash import undelete_runs
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run in undelete_runs(workspace, arguments.references):
        print(f"{run.name} ({run.id}) is back")
    return 0


def _add_trash(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--empty", action="store_true", help="delete for good what is in the trash")


def _trash(arguments: argparse.Namespace) -> int:
    """List the deleted runs, or delete them for good."""
    from app.runs.trash import empty_trash, trashed
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    if arguments.empty:
        count = empty_trash(workspace)
        print(f"{count} {'run' if count == 1 else 'runs'} deleted for good")
        return 0
    runs = trashed(workspace)
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
