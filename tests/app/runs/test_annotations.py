"""Names, tags, notes, archive and trash: kept in the run folder, shown everywhere, back after a reindex."""

import json
import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from app.cli.main import main
from app.importing.import_logs import import_logs
from app.indexing.service import reindex
from app.launching.launch import launch_command
from app.launching.queue import cancel_runs
from app.launching.stop import run_status, stop_run
from app.runs.annotations import archive_run, note_run, read_note, rename_run, tag_run
from app.runs.reader import find_run, list_runs
from app.runs.trash import delete_runs, empty_trash, trashed_runs, undelete_runs
from app.workspace.run_names import find_id, run_names
from app.workspace.user_file import read_user
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.states import RunState
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch_held
from tests.bench.workspace_maker import make_workspace

LOG = Path(__file__).parents[2] / "fixtures" / "logs" / "results_act_relu.txt"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """With one imported run, `relu`, and another, `silu`."""
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    other = tmp_path / "silu.txt"
    other.write_bytes(LOG.read_bytes().replace(b"0.478", b"0.489"))
    import_logs(made, [LOG], name="relu")
    import_logs(made, [other], name="silu")
    return made


def test_marks_are_shown_and_survive_a_reindex(workspace: Workspace) -> None:
    assert rename_run(workspace, "relu", "relu-30") == "relu"
    assert tag_run(workspace, "relu-30", ["good", "paper"]) == ["good", "paper"]
    assert tag_run(workspace, "relu-30", ["best"], ["paper"]) == ["good", "best"]
    note_run(workspace, "relu-30", "  the one for the board\n")
    archive_run(workspace, find_id(workspace, "silu"))
    for _ in range(2):
        (shown,) = list_runs(workspace)
        assert (shown.name, shown.tags, shown.notes) == ("relu-30", ("good", "best"), "the one for the board")
        assert [run.name for run in list_runs(workspace, archived=True) if run.archived] == ["silu"]
        reindex(workspace)
    assert read_note(workspace, "relu-30") == "the one for the board"
    archive_run(workspace, find_id(workspace, "silu"), archived=False)
    assert {run.name for run in list_runs(workspace)} == {"relu-30", "silu"}


@pytest.mark.parametrize("name", ["silu", "-x", "a/b", "", " "])
def test_a_name_that_is_taken_or_none_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(YoloqatError):
        rename_run(workspace, "relu", name)
    assert find_run(workspace, "relu").name == "relu"


@pytest.mark.parametrize("tag", ["two words", "", "\x1b[31m", "x" * 65])
def test_a_tag_that_is_none_is_refused(workspace: Workspace, tag: str) -> None:
    with pytest.raises(YoloqatError, match="is not a valid tag"):
        tag_run(workspace, "relu", [tag])


def test_what_another_version_wrote_stays(workspace: Workspace) -> None:
    folder = workspace.run(find_id(workspace, "relu"))
    folder.user.write_text(json.dumps({"colour": "red", "tags": "not a list"}))
    tag_run(workspace, "relu", ["good"])
    assert read_user(folder) == {"colour": "red", "tags": ["good"]}


def test_marks_set_at_the_same_time_are_all_kept(workspace: Workspace) -> None:
    tags = [f"t{number}" for number in range(20)]
    threads = [threading.Thread(target=tag_run, args=(workspace, "relu", [tag])) for tag in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(tag_run(workspace, "relu")) == set(tags)


def test_a_deleted_run_comes_back_with_everything(workspace: Workspace) -> None:
    tag_run(workspace, "relu", ["good"])
    before = find_run(workspace, "relu")
    delete_runs(workspace, [before.id])
    assert [run.name for run in list_runs(workspace, archived=True)] == ["silu"]
    assert [run.name for run in trashed_runs(workspace)] == ["relu"]
    with pytest.raises(YoloqatError, match="no run 'relu'"):
        find_run(workspace, "relu")
    assert [run.name for run in undelete_runs(workspace)] == ["relu"]
    assert find_run(workspace, "relu") == before
    with pytest.raises(YoloqatError, match="the trash is empty"):
        undelete_runs(workspace)


def test_an_emptied_trash_is_gone_for_good(workspace: Workspace) -> None:
    delete_runs(workspace, [find_id(workspace, "relu"), find_id(workspace, "silu")])
    assert [run.name for run in undelete_runs(workspace, ["silu"])] == ["silu"]
    assert empty_trash(workspace) == 1
    assert trashed_runs(workspace) == []
    with pytest.raises(YoloqatError, match="no run 'relu' in the trash"):
        undelete_runs(workspace, ["relu"])


def test_what_lives_or_is_waited_for_is_not_deleted(workspace: Workspace) -> None:
    spec = launch_command(workspace, ["sleep", "60"], name="live")
    relu = find_id(workspace, "relu")
    try:
        with pytest.raises(YoloqatError, match=r"live is (starting|running)"):
            delete_runs(workspace, [relu, spec.id])
        assert find_id(workspace, "relu") == relu, "nothing was moved"
    finally:
        stop_run(workspace, spec.id, now=True)
        while run_status(workspace, spec.id).state.is_live:
            pass
    assert [run.name for run in delete_runs(workspace, [spec.id])] == ["live"]


def test_an_ended_run_that_a_queued_one_waits_for_is_not_deleted(workspace: Workspace) -> None:
    relu, child = find_id(workspace, "relu"), new_run_id()
    spec = RunSpec(id=child, name="child", stage=COMMAND, command=["true"], cwd="/", parents=[relu])
    launch_held(workspace, spec, attempt=1, argv=None, why="for a test")
    try:
        while run_status(workspace, child).state is not RunState.QUEUED:
            pass
        with pytest.raises(YoloqatError, match="child waits for relu"):
            delete_runs(workspace, [relu])
    finally:
        cancel_runs(workspace, child)
        while run_status(workspace, child).state.is_live:
            pass
    assert [run.name for run in delete_runs(workspace, [relu])] == ["relu"]


@pytest.mark.parametrize(("command", "most"), [("rename", 1), ("tag", 1), ("delete", 2)])
def test_the_other_runs_are_read_no_more_often_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, most: int
) -> None:
    workspace = make_workspace(tmp_path / "many", runs=30, epochs=2)
    chosen = run_names(workspace)[7]
    opened: list[str] = []
    system_open = os.open

    def counting_open(path: str | Path, *arguments: int) -> int:
        opened.append(str(path))
        return system_open(path, *arguments)

    monkeypatch.setattr(os, "open", counting_open)
    arguments = [command, chosen.name, *([] if command == "delete" else ["new"])]
    assert main([*arguments, "--workspace", str(workspace.path)]) == 0
    others = Counter(path for path in opened if path.startswith(str(workspace.runs)) and chosen.id not in path)
    assert others
    assert max(others.values()) <= most
    assert not [path for path in others if not path.endswith(("/spec.yaml", "/user.json"))]
