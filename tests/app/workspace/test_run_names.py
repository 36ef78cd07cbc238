"""Runs are found by what people type, and no two get the same name."""

from pathlib import Path

import pytest

from app.workspace.run_names import check_name, find_id, find_ids, free_name, read_name, run_names
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec


def add(workspace: Workspace, run_id: str, name: str, group: str | None = None) -> None:
    folder = workspace.run(run_id)
    folder.path.mkdir(parents=True)
    options = {"weights": "name: not this one", "img_size": [640, 640]}
    RunSpec(id=run_id, name=name, stage="retrain", options=options, group=group).write(folder.spec)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    add(workspace, "20260101-000000-aaaa", "yolov7")
    add(workspace, "20260102-000000-bbbb", "relu")
    add(workspace, "20260102-000001-cccc", "demo-ptq", "demo")
    add(workspace, "20260102-000002-dddd", "demo-qat", "demo")
    return workspace


@pytest.mark.parametrize("reference", ["20260101-000000-aaaa", "20260101", "yolov7"])
def test_a_run_is_found_by_id_by_prefix_and_by_name(workspace: Workspace, reference: str) -> None:
    assert find_id(workspace, reference) == "20260101-000000-aaaa"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("20260102", "3 runs match"),
        ("yolo7", "Similar: yolov7 (20260101-000000-aaaa)"),
        ("zzz", "The latest: relu"),
        ("", "there is no run ''"),
        ("../runs/20260101-000000-aaaa", "there is no run"),
    ],
)
def test_what_cannot_be_meant_lists_what_could(workspace: Workspace, reference: str, words: str) -> None:
    with pytest.raises(YoloqatError) as caught:
        find_id(workspace, reference)
    assert words in str(caught.value)


def test_a_group_stands_for_its_runs(workspace: Workspace) -> None:
    assert find_ids(workspace, "demo") == ["20260102-000001-cccc", "20260102-000002-dddd"]
    assert find_ids(workspace, "relu") == ["20260102-000000-bbbb"]


@pytest.mark.parametrize(
    "name", ["yes", "007", "1e5", "null", "déjà vu: #2", "'quoted'", "a" * 200, "with  spaces " * 9 + "."]
)
def test_every_name_is_read_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    add(Workspace(tmp_path), "20260101-000000-aaaa", name, group=name)
    found = read_name(Workspace(tmp_path).run("20260101-000000-aaaa"))
    assert (found.name, found.group) == (name, name)


def test_a_rename_counts_and_a_torn_one_does_not(workspace: Workspace) -> None:
    folder = workspace.run("20260101-000000-aaaa")
    folder.user.write_text('{"name": "baseline", "tags": []}')
    assert read_name(folder).name == "baseline"
    assert find_id(workspace, "baseline") == folder.id
    folder.user.write_text('{"name": "base')
    assert read_name(folder).name == "yolov7"


def test_a_broken_specification_hides_no_other_run(workspace: Workspace) -> None:
    workspace.run("20260102-000000-bbbb").spec.write_bytes(b"\xff\x00\xfe")
    assert [run.name for run in run_names(workspace)] == ["yolov7", "20260102-000000-bbbb", "demo-ptq", "demo-qat"]


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        (set(), "yolov7"),
        ({"yolov7"}, "yolov72"),
        ({"yolov7", "yolov72", "yolov75"}, "yolov76"),
        ({"yolov7-ptq"}, "yolov7"),
        ({"yolov7", "yolov7x9"}, "yolov72"),
    ],
)
def test_a_taken_name_is_counted_up_as_the_original_does(taken: set[str], free: str) -> None:
    assert free_name("yolov7", taken) == free


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a/b", "-a", "a\x1b[2J"])
def test_a_name_that_cannot_be_typed_is_refused(name: str) -> None:
    with pytest.raises(YoloqatError, match="is not a valid run name"):
        check_name(name)
