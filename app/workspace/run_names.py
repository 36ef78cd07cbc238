"""Ids and names of all runs, read from their folders: finding or naming a run needs no database."""

import contextlib
import difflib
import fcntl
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.files.safe_open import open_lock, read_head, read_regular

_HEAD_BYTES = 64 << 10
_KEY = re.compile(r"^(id|name|group): *(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RunName:
    """What a run can be referenced by."""

    id: str
    name: str
    group: str | None


def run_names(workspace: Workspace) -> list[RunName]:
    """Return all runs, oldest first."""
    base = str(workspace.runs)
    ids = [run_id for run_id in workspace.folder_names() if os.path.lexists(f"{base}/{run_id}/spec.yaml")]
    return [_read_name(run_id, f"{base}/{run_id}") for run_id in sorted(ids)]


def read_name(folder: RunFolder) -> RunName:
    """Read the current name of a run; its id if the files cannot be read. A copy of a run folder has its own name."""
    return _read_name(folder.id, str(folder.path))


def _read_name(run_id: str, folder: str) -> RunName:
    """Read three lines of `spec.yaml` without parsing it, by paths as text: `ls` reads a thousand of them."""
    fields: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for key, text in _KEY.findall(read_head(f"{folder}/spec.yaml", _HEAD_BYTES).decode(errors="replace")):
            # An id is text without quotes or with: no YAML is needed, which would take most of the time.
            fields.setdefault(key, text.strip(" '\"\r") if key == "id" else _scalar(text))
    name = fields.get("name") or run_id
    if fields.get("id", run_id) != run_id:
        name = copy_name(name)
    return RunName(run_id, _user_given_name(folder) or name, fields.get("group") or None)


def copy_name(name: str) -> str:
    """Return the name of a copy of a run folder: the run itself keeps its name to itself."""
    return f"{name}-copy"


def find_id(workspace: Workspace, reference: str, runs: list[RunName] | None = None) -> str:
    """Find the id of a run by its id, a unique prefix of it, or its name.

    Args:
        runs: all runs, where they have been read already.

    Raises:
        YoloqatError: no run or several runs match; lists the candidates.
    """
    if reference and "/" not in reference and workspace.run(reference).is_run:
        return reference
    runs = run_names(workspace) if runs is None else runs
    for matches in (
        [run for run in runs if run.name == reference],
        [run for run in runs if reference and run.id.startswith(reference)],
    ):
        if len(matches) == 1:
            return matches[0].id
        if matches:
            raise YoloqatError(
                f"{reference!r} is ambiguous: {len(matches)} runs match",
                where=str(workspace.path),
                hint=f"Use a longer prefix of the id: {_list(matches)}.",
            )
    raise _unknown_run_error(workspace, reference, runs)


def find_ids(workspace: Workspace, *references: str) -> list[str]:
    """Find the ids of all runs of a group, oldest first; of a single run if no group has this name.

    Args:
        references: several are looked up in their order, and each run is listed once.

    Raises:
        YoloqatError: no group matches, and no run or several runs match.
    """
    runs = run_names(workspace)
    names = {run.name for run in runs}
    ids: list[str] = []
    for reference in references:
        group = [run.id for run in runs if run.group == reference] if reference not in names else []
        ids += group or [find_id(workspace, reference, runs)]
    return list(dict.fromkeys(ids))


def free_name(wished_name: str, used_names: Collection[str]) -> str:
    """Return the name, or if it is in use with the next number, as YOLOv7 does: exp, exp2, exp3."""
    if wished_name not in used_names:
        return wished_name
    pattern = re.compile(rf"{re.escape(wished_name)}(\d+)")
    numbers = [int(match.group(1)) for name in used_names if (match := pattern.fullmatch(name))]
    number = max([number for number in numbers if number > 1], default=1) + 1
    return f"{wished_name}{number}"


def check_name(name: str) -> str:
    """Check that a name can be printed and typed, and return it.

    Raises:
        YoloqatError: it is empty or contains slashes, line ends or control characters.
    """
    if name.strip() != name or not name or not name.isprintable() or name.startswith("-") or "/" in name:
        raise YoloqatError(
            f"{name!r} is not a valid run name",
            where="--name",
            hint="Use letters and digits, no slash or line end, and no leading hyphen.",
        )
    return name


@contextlib.contextmanager
def lock_names(workspace: Workspace) -> Iterator[set[str]]:
    """Lock the names of the workspace and yield those in use, so that two launches at once cannot choose the same one.

    Raises:
        YoloqatError: the workspace cannot be written.
    """
    with lock_launches(workspace):
        yield used_names_of(run_names(workspace))


@contextlib.contextmanager
def lock_launches(workspace: Workspace) -> Iterator[None]:
    """While nobody else can launch, rename or delete a run.

    Raises:
        YoloqatError: the workspace cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            lock = open_lock(workspace.path / "launch.lock")
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise YoloqatError(
                f"cannot write to the workspace: {error.strerror or error}",
                where=str(workspace.path),
                hint="Free some disk space or choose another one with --workspace.",
            ) from error
        yield


def used_names_of(runs: list[RunName]) -> set[str]:
    """Return the names of all runs and groups."""
    return {run.name for run in runs} | {run.group for run in runs if run.group}


def _unknown_run_error(workspace: Workspace, reference: str, runs: list[RunName]) -> YoloqatError:
    by_key = {key: run for run in runs for key in (run.id, run.name)}
    close = [by_key[key] for key in difflib.get_close_matches(reference, by_key, n=6, cutoff=0.5)]
    close += [run for run in runs if reference and reference in run.name]
    matches = list(dict.fromkeys(close))[:4]
    if matches:
        hint = f"Similar: {_list(matches)}."
    elif runs:
        hint = f"The latest: {_list(runs[-3:])}. `yoloqat ls` lists all."
    else:
        hint = "This workspace has no runs yet; --workspace selects another one."
    return YoloqatError(f"there is no run {reference!r}", where=str(workspace.path), hint=hint)


def _list(runs: list[RunName]) -> str:
    return ", ".join(f"{run.name} ({run.id})" for run in runs)


def _user_given_name(folder: str) -> str:
    try:
        name = json.loads(read_regular(f"{folder}/user.json"))["name"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def _scalar(text: str) -> str:
    """Parse a YAML scalar of one line; nearly all are plain and need no parser."""
    if re.fullmatch(r"[A-Za-z_][\w.-]*", text):
        return "" if text in ("null", "Null", "NULL") else text
    import yaml

    from engine.contracts.bounded_yaml import load_yaml

    try:
        value = load_yaml(text)
    except (yaml.YAMLError, ValueError):
        return text
    return "" if value is None else str(value)
