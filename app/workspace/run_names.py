"""Ids and names of all runs, read from their folders: no database is needed to find a run, or to name a new one."""

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
_KEY = re.compile(r"^(name|group): *(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RunName:
    """How a run can be called."""

    id: str
    name: str
    group: str | None


def run_names(workspace: Workspace) -> list[RunName]:
    """All runs, oldest first."""
    base = str(workspace.runs)
    ids = [run_id for run_id in workspace.folder_names() if os.path.isfile(f"{base}/{run_id}/spec.yaml")]
    return [_read_name(run_id, f"{base}/{run_id}") for run_id in sorted(ids)]


def read_name(folder: RunFolder) -> RunName:
    """The present name of a run; its id where nothing can be read."""
    return _read_name(folder.id, str(folder.path))


def _read_name(run_id: str, folder: str) -> RunName:
    """As `read_name`. Reads two lines of `spec.yaml`, and takes strings for paths: a thousand runs are read at once."""
    fields: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for key, text in _KEY.findall(read_head(f"{folder}/spec.yaml", _HEAD_BYTES).decode(errors="replace")):
            fields.setdefault(key, _scalar(text))
    return RunName(run_id, _renamed(folder) or fields.get("name") or run_id, fields.get("group") or None)


def find_id(workspace: Workspace, reference: str, runs: list[RunName] | None = None) -> str:
    """The id of a run that is named by its id, by a prefix of it that no other has, or by its name.

    Args:
        runs: all runs, where they have been read already.

    Raises:
        YoloqatError: no run or more than one is meant; lists the candidates.
    """
    if reference and "/" not in reference and workspace.run(reference).spec.is_file():
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
                f"{reference!r} may mean {len(matches)} runs",
                where=str(workspace.path),
                hint=f"Give more of the id: {_list(matches)}.",
            )
    raise _unknown(workspace, reference, runs)


def find_ids(workspace: Workspace, *references: str) -> list[str]:
    """The ids of all runs of a group, oldest first; of the one run that is meant, where no group has this name.

    Args:
        references: several are looked up in their order, and each run is listed once.

    Raises:
        YoloqatError: no group and no run or more than one is meant.
    """
    runs = run_names(workspace)
    names = {run.name for run in runs}
    ids: list[str] = []
    for reference in references:
        group = [run.id for run in runs if run.group == reference] if reference not in names else []
        ids += group or [find_id(workspace, reference, runs)]
    return list(dict.fromkeys(ids))


def free_name(wished_name: str, used_names: Collection[str]) -> str:
    """The name, counted up as YOLOv7 does where it is taken: exp, exp2, exp3."""
    if wished_name not in used_names:
        return wished_name
    pattern = re.compile(rf"{re.escape(wished_name)}(\d+)")
    numbers = [int(match.group(1)) for name in used_names if (match := pattern.fullmatch(name))]
    number = max([number for number in numbers if number > 1], default=1) + 1
    return f"{wished_name}{number}"


def check_name(name: str) -> str:
    """A name that can be printed and typed.

    Raises:
        YoloqatError: it is empty, or holds line ends or control characters.
    """
    if name.strip() != name or not name or not name.isprintable() or name.startswith("-") or "/" in name:
        raise YoloqatError(
            f"{name!r} cannot be the name of a run",
            where="--name",
            hint="Take letters and digits; no slash, no line end, no hyphen in front.",
        )
    return name


@contextlib.contextmanager
def lock_names(workspace: Workspace) -> Iterator[set[str]]:
    """All taken names, while nobody else can take one: two launches at once must not get the same.

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
    """Names of runs and of groups."""
    return {run.name for run in runs} | {run.group for run in runs if run.group}


def _unknown(workspace: Workspace, reference: str, runs: list[RunName]) -> YoloqatError:
    by_key = {key: run for run in runs for key in (run.id, run.name)}
    close = [by_key[key] for key in difflib.get_close_matches(reference, by_key, n=6, cutoff=0.5)]
    close += [run for run in runs if reference and reference in run.name]
    near = list(dict.fromkeys(close))[:4]
    if near:
        hint = f"Near: {_list(near)}."
    elif runs:
        hint = f"The latest: {_list(runs[-3:])}. `yoloqat ls` shows all."
    else:
        hint = "This workspace has no runs yet; --workspace chooses another one."
    return YoloqatError(f"there is no run {reference!r}", where=str(workspace.path), hint=hint)


def _list(runs: list[RunName]) -> str:
    return ", ".join(f"{run.name} ({run.id})" for run in runs)


def _renamed(folder: str) -> str:
    try:
        name = json.loads(read_regular(f"{folder}/user.json"))["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return name if isinstance(name, str) else ""


def _scalar(text: str) -> str:
    """One YAML scalar on one line; the plain ones, which are nearly all, need no parser."""
    if re.fullmatch(r"[A-Za-z_][\w.-]*", text):
        return "" if text in ("null", "Null", "NULL") else text
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return "" if value is None else str(value)
