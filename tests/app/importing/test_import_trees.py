"""Trees of runs: what a trainer left in its folders becomes one run each, joined with its log, once."""

import os
from pathlib import Path

import pytest

from app.comparing.comparison import lineage
from app.discovery.discover import scan_tree
from app.discovery.read_log import read_log
from app.importing.import_logs import ImportSummary, import_paths
from app.indexing.service import reindex
from app.runs.reader import find_run, get_detail, list_runs
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.logs.parser import LogParser
from tests.app.indexing.index_fixtures import workspace
from tests.conftest import REPOSITORY
from tests.db.rows import dump
from tests.engine.logs.event_files import written, yolov7
from tests.engine.logs.printed import HEADER, VALIDATION, bar, log, metrics, row
from tests.engine.logs.test_foreign import OTHERS

__all__ = ["workspace"]
OPT = "weights: yolov7.pt\ncfg: cfg/yolov7.yaml\ndata: coco.yaml\nepochs: 3\nbatch_size: 16\n"
HYP = "lr0: 0.01\nmomentum: 0.937\nweight_decay: 0.0005\n"


def options_line(save_dir: str) -> str:
    return f"Namespace(weights='yolov7.pt', cfg='a.yaml', epochs=3, save_dir='{save_dir}')"


def training(save_dir: str = "", *, epochs: int = 3, box: float = 0.05) -> bytes:
    """The log of a training."""
    lines = [options_line(save_dir)] if save_dir else []
    lines.append("Starting training for 3 epochs...")
    for epoch in range(epochs):
        lines += [HEADER, f"{row(epoch, 2, loss=box)}: {bar(4, 4)}", f"{VALIDATION}: {bar(2, 2)}"]
        lines.append(metrics("all", 0.5, 0.4, 0.3, 0.2 + epoch / 100))
    if epochs == 3:
        lines.append("3 epochs completed in 0.100 hours.")
    return log(*lines)


def results_txt(epochs: int = 3, *, shift: float = 0.0) -> str:
    """The results of the same training, with more digits."""
    return "".join(
        f"{f'{epoch}/2':>10}      7.5G   0.05000    0.0200    0.0100    0.0800       132       640"
        f"    0.5001    0.4002    0.3003   {0.2003 + epoch / 100 + shift:.4f}   0.04   0.03   0.01\n"
        for epoch in range(epochs)
    )


def write_run(folder: Path, *, results: str | None = None, weights: bool = True) -> Path:
    (folder / "weights").mkdir(parents=True)
    (folder / "opt.yaml").write_text(OPT)
    (folder / "hyp.yaml").write_text(HYP)
    if results is not None:
        (folder / "results.txt").write_text(results)
    if weights:
        for name in ("best.pt", "last.pt"):
            (folder / "weights" / name).write_bytes(f"{folder.name} {name}".encode())
    return folder


def statuses(summary: ImportSummary) -> dict[str, str]:
    return {file.path.name: file.status for file in summary.files}


def test_a_tree_of_runs_with_the_logs_above_it(workspace: Workspace, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for number, name in enumerate(("exp", "exp2")):
        write_run(project / "runs" / "train" / name, results=results_txt(shift=number / 10))
    (project / "nohup.out").write_bytes(training("runs/train/exp"))
    (project / "data").mkdir()
    (project / "data" / "names.txt").write_text("person\nbicycle\n")
    summary = import_paths(workspace, [project])
    assert (summary.runs, summary.others) == (2, 1)
    runs = {run.name: run for run in list_runs(workspace)}
    assert sorted(runs) == ["exp", "exp2"]
    assert [run.epochs_done for run in runs.values()] == [3, 3]
    assert runs["exp"].reason == "complete: 3 epochs in 0.100 hours"
    detail = get_detail(workspace, "exp")
    assert detail.options["lr0"] == 0.01
    assert detail.options["cfg"] == "cfg/yolov7.yaml"
    assert detail.imported_from == str(project / "runs" / "train" / "exp")
    paths = {artifact.role: artifact.path for artifact in detail.artifacts}
    assert paths["best"] == str(project / "runs" / "train" / "exp" / "weights" / "best.pt")
    assert not list(workspace.runs.rglob("*.pt")), "weights stay where they are"
    assert b"Namespace" in workspace.run(runs["exp"].id).attempt(1).console.read_bytes()
    assert [epoch.values["mAP@.5:.95"].text for epoch in detail.epochs] == ["0.2003", "0.2103", "0.2203"]
    assert [file.path for file in detail.results] == [str(project / "runs" / "train" / "exp" / "results.txt")]
    assert b"Namespace" not in workspace.run(runs["exp2"].id).attempt(1).console.read_bytes()


def test_the_same_tree_again_adds_nothing_and_says_so(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "train" / "exp", results=results_txt())
    (tmp_path / "train.log").write_bytes(training("train/exp"))
    assert import_paths(workspace, [tmp_path]).count("new") == 1
    rows = dump(workspace.database)
    files = {path: path.stat().st_mtime_ns for path in workspace.runs.rglob("*")}
    again = import_paths(workspace, [tmp_path])
    assert (again.count("new"), again.count("grown"), again.count("known")) == (0, 0, 1)
    assert set(statuses(again).values()) == {"known"}
    assert dump(workspace.database) == rows
    assert {path: path.stat().st_mtime_ns for path in workspace.runs.rglob("*")} == files


def test_what_has_grown_updates_its_run(workspace: Workspace, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "exp", weights=False)
    (folder / "train.log").write_bytes(training("exp", epochs=1))
    import_paths(workspace, [tmp_path])
    (first,) = list_runs(workspace)
    assert (first.epochs_done, first.map_curve) == (1, (0.2,))
    (folder / "train.log").write_bytes(training("exp", epochs=2))
    (folder / "weights" / "last.pt").write_bytes(b"2")
    summary = import_paths(workspace, [tmp_path])
    assert summary.count("grown") == 1
    (second,) = list_runs(workspace)
    assert (second.id, second.epochs_done) == (first.id, 2)
    assert [artifact.role for artifact in get_detail(workspace, first.id).artifacts] == ["last"]


def test_another_log_in_the_place_of_the_first_is_another_run(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(training(epochs=3))
    import_paths(workspace, [path])
    path.write_bytes(training(epochs=2, box=0.9))
    assert import_paths(workspace, [path]).count("new") == 1
    assert sorted((run.name, run.epochs_done) for run in list_runs(workspace)) == [("train", 3), ("train2", 2)]


def test_a_log_joins_the_run_whose_results_came_first(workspace: Workspace, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "exp", results=results_txt())
    import_paths(workspace, [folder])
    (tmp_path / "nohup.out").write_bytes(training("runs/exp"))
    import_paths(workspace, [tmp_path])
    (run,) = list_runs(workspace)
    assert run.epochs_done == 3
    assert workspace.run(run.id).attempt(1).console.read_bytes() == training("runs/exp")
    assert import_paths(workspace, [tmp_path]).count("known") == 1


def test_a_log_with_other_numbers_is_not_joined(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "exp", results=results_txt(shift=0.3))
    (tmp_path / "old.log").write_bytes(training("runs/exp"))
    import_paths(workspace, [tmp_path])
    assert sorted(run.name for run in list_runs(workspace)) == ["exp", "old"]


def test_several_trainings_in_one_file(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "nohup.out"
    path.write_bytes(training("runs/a") + training("runs/b", epochs=2) + b"\n" + training("runs/b", epochs=3))
    summary = import_paths(workspace, [path])
    assert [(file.name, file.epochs) for file in summary.files] == [("a", 3), ("b", 2), ("b", 3)]
    runs = {run.name: run for run in list_runs(workspace)}
    assert (runs["a"].attempt, runs["b"].attempt) == (1, 2)
    assert (runs["a"].epochs_done, runs["b"].epochs_done) == (3, 3)
    assert import_paths(workspace, [path]).count("known") == 2
    path.write_bytes(path.read_bytes() + training("runs/c", epochs=1))
    assert import_paths(workspace, [path]).count("new") == 1
    assert len(list_runs(workspace)) == 3


def test_of_very_many_trainings_in_one_file_only_so_many_rows_are_kept_but_all_are_imported(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.discovery.read_log.MOST_CELLS", 100)
    path = tmp_path / "nohup.out"
    path.write_bytes(b"".join(training(f"runs/train/exp{number}") for number in range(20)))
    kept = [part.cells for part in read_log(path).parts]
    assert len(kept) == 20
    assert 0 < sum(kept) <= 100
    assert import_paths(workspace, [path]).count("new") == 20
    assert {run.epochs_done for run in list_runs(workspace)} == {3}


def test_only_event_files(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "events.out.tfevents.1").write_bytes(written(yolov7(epochs=5)))
    (file,) = import_paths(workspace, [tmp_path]).files
    assert (file.role, file.epochs) == ("event file", 5)
    assert find_run(workspace, "exp").epochs_done == 5


def test_options_and_weights_alone_are_a_run(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "exp")
    (tmp_path / "exp" / "hyp.yaml").write_text("lr0: [\n")
    summary = import_paths(workspace, [tmp_path])
    assert statuses(summary) == {"opt.yaml": "new", "best.pt": "new", "last.pt": "new", "hyp.yaml": "not read"}
    detail = get_detail(workspace, "exp")
    assert (detail.run.reason, detail.options["epochs"], len(detail.artifacts)) == ("no epochs", 3, 2)
    assert import_paths(workspace, [tmp_path]).count("known") == 1


def test_a_tree_with_traps(workspace: Workspace, tmp_path: Path) -> None:
    top = tmp_path / "tree"
    write_run(top / "exp", results=results_txt())
    (top / "loop").symlink_to(top, target_is_directory=True)
    (top / "dangling.log").symlink_to(top / "nowhere")
    (top / "again.log").symlink_to(top / "train.log")
    (top / "train.log").write_bytes(training(epochs=1, box=0.7))
    (top / ".hidden.log").write_bytes(training(epochs=2))
    (top / ".git").mkdir()
    (top / ".git" / "run.log").write_bytes(training(epochs=2))
    (top / "zeros.log").write_bytes(b"\0" * (3 << 20))
    (top / "random.txt").write_bytes(os.urandom(100_000))
    (top / "empty.log").touch()
    (top / "yolox.log").write_text(OTHERS["YOLOX"])
    os.mkfifo(top / "pipe.log")
    with (top / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)
    summary = import_paths(workspace, [top])
    assert sorted(run.name for run in list_runs(workspace)) in (["again", "exp"], ["exp", "train"])
    (refused,) = [file for file in summary.files if file.status == "not read"]
    assert (refused.path.name, refused.reason) == ("yolox.log", "a log of YOLOX, which yoloqat does not read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "exp", results=results_txt())
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "train.log").touch(mode=0)
    summary = import_paths(workspace, [tmp_path])
    told = {file.path.name: file.reason for file in summary.files if file.status == "not read"}
    assert told == {
        "closed": "cannot be read: Permission denied",
        "train.log": "cannot be read: Permission denied",
    }


def test_the_workspace_itself_is_left_out(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "exp", results=results_txt())
    assert workspace.path.is_relative_to(tmp_path)
    import_paths(workspace, [tmp_path])
    assert import_paths(workspace, [tmp_path]).count("known") == 1
    assert len(list_runs(workspace)) == 1


def test_a_folder_without_runs_is_an_error(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("dear diary\n")
    with pytest.raises(YoloqatError, match="no run found") as caught:
        import_paths(workspace, [tmp_path / "notes"])
    assert str(tmp_path / "notes") in str(caught.value)


def test_a_dry_run_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "exp", results=results_txt())
    summary = import_paths(workspace, [tmp_path], dry_run=True)
    assert (summary.count("new"), [file.run_id for file in summary.files]) == (1, [""] * 5)
    assert not list(workspace.runs.rglob("*"))
    assert list_runs(workspace) == []


REAL = REPOSITORY.parent / "shared" / "logs"


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder ../shared/logs with real logs is absent")
def test_the_folder_of_real_logs(workspace: Workspace) -> None:
    summary = import_paths(workspace, [REAL])
    told = {file.path.name: file for file in summary.files}
    assert told["yolov7-tiny-nohup.out"].epochs == 300
    assert {name for name, file in told.items() if file.status == "not read"} == {"foreign-yolox.log"}
    assert import_paths(workspace, [REAL]).count("known") == summary.runs


def test_companions_by_name(workspace: Workspace) -> None:
    """The log and the results of one run, side by side in a folder of logs."""
    summary = import_paths(workspace, [REPOSITORY / "tests" / "fixtures" / "pairs"])
    assert summary.runs == 3
    assert sorted(run.name for run in list_runs(workspace)) == ["ultralytics", "yolov5", "yolov7"]
    assert all(get_detail(workspace, run.id).results for run in list_runs(workspace))


def test_no_log_is_parsed_twice(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "runs" / "exp", results=results_txt())
    (tmp_path / "nohup.out").write_bytes(training("runs/exp") + training("runs/exp3"))
    monkeypatch.setattr("engine.logs.containers.open_contents.find_prefix", lambda sample: None)  # tries on a sample
    fed: list[int] = []
    feed = LogParser.feed
    monkeypatch.setattr(LogParser, "feed", lambda self, data: fed.append(len(data)) or feed(self, data))
    import_paths(workspace, [tmp_path / "nohup.out"])
    once = len(training("runs/exp") + training("runs/exp3"))
    assert sum(size for size in fed if size != len(results_txt())) == once
    rows = dump(workspace.database)
    reindex(workspace)
    assert dump(workspace.database) == rows, "what was read once is what the index would have read"


def test_results_alone_are_not_held_against_themselves(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "exp", results=results_txt())
    import_paths(workspace, [tmp_path])
    assert dump(workspace.database)["results_metric"] == []
    (run,) = list_runs(workspace)
    assert len(get_detail(workspace, run.id).epochs) == len(results_txt().splitlines())


def test_a_training_is_tied_to_the_run_whose_weights_it_began_with(workspace: Workspace, tmp_path: Path) -> None:
    first = write_run(tmp_path / "runs" / "exp", results=results_txt())
    second = write_run(tmp_path / "runs" / "exp2", results=results_txt(shift=0.1))
    (second / "opt.yaml").write_text(OPT.replace("yolov7.pt", "runs/exp/weights/best.pt"))
    import_paths(workspace, [tmp_path])
    details = [get_detail(workspace, name) for name in ("exp", "exp2")]
    (given,) = [artifact for artifact in details[1].artifacts if artifact.is_input]
    assert (given.role, given.path) == ("weights", str(first / "weights" / "best.pt"))
    assert [(step.run_name, step.depth) for step in lineage(details)] == [("exp", 0), ("exp2", 1)]
    assert import_paths(workspace, [tmp_path]).count("known") == 2


def test_a_training_that_is_logged_twice_is_one_attempt(workspace: Workspace, tmp_path: Path) -> None:
    """Weights & Biases keeps the output, too, without its bars."""
    write_run(tmp_path / "runs" / "exp", results=results_txt())
    (tmp_path / "nohup.out").write_bytes(training("runs/exp"))
    kept = tmp_path / "wandb" / "run-1" / "files" / "output.log"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(
        training("runs/exp").replace(b": 100%|##########|", b": 100%|#####|").replace(b"epochs=3", b"epochs=3 ")
    )
    summary = import_paths(workspace, [tmp_path])
    (run,) = list_runs(workspace)
    assert (run.attempt, run.epochs_done) == (1, 3)
    (refused,) = [file for file in summary.files if file.status == "not read"]
    assert refused.reason.startswith("has the same training as ")


def test_a_resumed_training_in_two_logs_is_two_attempts(workspace: Workspace, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "exp", results=results_txt())
    whole = training("runs/exp")
    cut = whole.index(HEADER.encode(), whole.index(HEADER.encode()) + 1)
    (tmp_path / "first.log").write_bytes(whole[:cut])
    (tmp_path / "second.log").write_bytes(
        b"Resuming training from a.pt\n" + whole[: whole.index(b"\n") + 1] + whole[cut:]
    )
    for age, name in enumerate(("second.log", "first.log")):
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    import_paths(workspace, [tmp_path])
    (run,) = list_runs(workspace)
    assert (run.attempt, run.epochs_done) == (2, 3)
    assert [epoch.attempt for epoch in get_detail(workspace, run.id).epochs] == [1, 2, 2]


def test_files_that_matter_by_their_names(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.PNG", "c.json", "d.pt", "results.txt"):
        (tmp_path / name).touch()
    found = scan_tree(tmp_path)
    assert (found.others, [folder.results for folder in found.run_dirs]) == (4, [[tmp_path / "results.txt"]])
    names = (
        "nohup.out",
        "train.log.1",
        "job.o123",
        "job.e123",
        "x-log",
        "stdout",
        "slurm-9.out",
        "events.out.tfevents.1",
    )
    for name in names:
        (tmp_path / name).touch()
    (folder,) = scan_tree(tmp_path).run_dirs
    assert {path.name for path in (*folder.logs, *folder.events)} == set(names)
