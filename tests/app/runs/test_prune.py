"""What takes the space, and what can go of it: never what a run may still need, and never through a link."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli.main import main
from app.runs.disk_use import disk_use
from app.runs.prune import removable, remove
from app.runs.trash import delete_runs
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.files.json_records import write_json

BYTES = 50_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MakeRun = Callable[..., RunFolder]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    return made


@pytest.fixture
def make_run(workspace: Workspace) -> MakeRun:
    """Makes an ended run with both checkpoints."""

    def make(run_id: str, *, exit_code: int | None = 0, parents: tuple[str, ...] = ()) -> RunFolder:
        folder = workspace.run(run_id)
        folder.attempt(1).path.mkdir(parents=True)
        folder.weights.mkdir()
        for name in ("best.pt", "last.pt"):
            (folder.weights / name).write_bytes(b"x" * BYTES)
        RunSpec(id=run_id, name=run_id, stage=COMMAND, command=["true"], cwd="/", parents=list(parents)).write(
            folder.spec
        )
        write_json(str(folder.attempt(1).launch), {}, durable=False)
        if exit_code is not None:
            outcome = Outcome(kind=OutcomeKind.EXITED, exit_code=exit_code, started_at=NOW, ended_at=NOW, seconds=1)
            write_json(str(folder.attempt(1).outcome), outcome.model_dump(mode="json"), durable=False)
        return folder

    return make


def left(folder: RunFolder) -> set[str]:
    return {path.name for path in folder.weights.iterdir()}


def prune(workspace: Workspace, *options: str) -> int:
    return main(["prune", *options, "--workspace", str(workspace.path)])


def test_last_checkpoints_of_succeeded_runs_go_after_a_yes(
    workspace: Workspace, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    done, failed, unknown = make_run("done"), make_run("failed", exit_code=1), make_run("unknown", exit_code=None)
    only = make_run("only")
    (only.weights / "best.pt").unlink()
    assert prune(workspace, "--dry-run") == 0
    assert prune(workspace) == 2, "nobody is there to be asked"
    assert left(done) == {"best.pt", "last.pt"}
    assert prune(workspace, "--yes") == 0
    assert "freed" in capsys.readouterr().out
    assert left(done) == {"best.pt"}
    assert left(failed) == left(unknown) == {"best.pt", "last.pt"}
    assert left(only) == {"last.pt"}


@pytest.mark.parametrize(("exit_code", "remains"), [(0, False), (1, True), (None, True)])
def test_a_checkpoint_that_another_run_may_need_stays(
    workspace: Workspace, make_run: MakeRun, exit_code: int | None, remains: bool
) -> None:
    parent = make_run("parent")
    child = make_run("child", exit_code=exit_code, parents=("parent",))
    (child.weights / "last.pt").unlink()
    remove(workspace, removable(workspace))
    assert (parent.weights / "last.pt").exists() is remains


def test_what_has_changed_since_it_was_listed_stays(workspace: Workspace, make_run: MakeRun) -> None:
    folder = make_run("done")
    items = removable(workspace)
    folder.attempt(2).path.mkdir()
    write_json(str(folder.attempt(2).launch), {}, durable=False)
    assert remove(workspace, items) == 0
    assert left(folder) == {"best.pt", "last.pt"}


@pytest.mark.parametrize("linked", ["weights", "weights/last.pt", "."])
def test_no_link_is_followed(workspace: Workspace, make_run: MakeRun, tmp_path: Path, linked: str) -> None:
    folder = make_run("done")
    place = folder.path / linked
    target = tmp_path / "elsewhere"
    place.rename(target)
    place.symlink_to(target)
    before = sorted(target.rglob("*.pt"))
    assert remove(workspace, removable(workspace)) == 0
    assert target.exists()
    assert sorted(target.rglob("*.pt")) == before
    assert disk_use(workspace).total < 2 * BYTES


def test_trash_caches_and_old_indexes_go(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("deleted")
    delete_runs(workspace, ["deleted"])
    workspace.noise.mkdir()
    (workspace.noise / "pair.json").write_bytes(b"{}" * 1000)
    old = workspace.path / "yoloqat.db.before-0004"
    old.write_bytes(b"x" * BYTES)
    assert prune(workspace, "--yes") == 0
    assert not any(path.exists() for path in (workspace.trash, workspace.noise, old))
    assert removable(workspace) == []


def test_du_tells_what_each_run_takes(
    workspace: Workspace, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("small")
    large = make_run("large")
    large.export.mkdir()
    (large.export / "model.onnx").write_bytes(b"x" * 4 * BYTES)
    assert main(["du", "--json", "--workspace", str(workspace.path)]) == 0
    use = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in use["runs"]] == ["large", "small"]
    assert use["runs"][0]["exports"] >= 4 * BYTES
    assert use["runs"][1]["checkpoints"] >= 2 * BYTES
    assert use["total"] >= sum(run["total"] for run in use["runs"])
    assert main(["du", "--workspace", str(workspace.path)]) == 0
    assert "large" in capsys.readouterr().out
