"""Logs that are imported become finished runs, with every number as it was printed."""

from pathlib import Path

import pytest

from app.importing.import_logs import import_logs
from app.runs.reader import find_run, get_detail, list_runs
from db.views import EpochView, Number
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from tests.app.indexing.index_fixtures import SEED, epochs_log, workspace
from tests.conftest import REPOSITORY
from tests.db.rows import dump
from tests.engine.logs.printed import ALL_KINDS, OUT_OF_MEMORY, TRACEBACK, log
from tests.engine.logs.test_seed import COCO, COCO_KEYS, METRICS, SECONDS, TRAINING, VALIDATION, table

__all__ = ["workspace"]
REAL = REPOSITORY.parent / "shared" / "logs"


def texts(epoch: EpochView, names: list[str]) -> list[str]:
    return [str(epoch.epoch), *(epoch.values[name].text for name in names)]


def tree(workspace: Workspace) -> list[Path]:
    """All files of the runs."""
    return sorted(workspace.runs.rglob("*"))


def test_the_seed_gives_its_exact_rows(workspace: Workspace) -> None:
    (report,) = import_logs(workspace, [SEED])
    assert (report.name, report.epochs, report.evaluations) == ("results_act_relu", 10, 2)
    assert (report.lines, report.not_understood, report.is_new) == (111, 0, True)
    detail = get_detail(workspace, "results_act_relu")
    assert [texts(epoch, ["box", "obj", "cls", "total", "labels"]) for epoch in detail.epochs] == table(TRAINING)
    assert [texts(epoch, METRICS) for epoch in detail.epochs] == table(VALIDATION)
    assert detail.epochs[0].values["gpu_mem"] == Number("7.5G", 7.5)
    assert ["img_size" in epoch.values for epoch in detail.epochs] == [False, False, *[True] * 8]
    assert [epoch.values["seconds"].value if "seconds" in epoch.values else None for epoch in detail.epochs] == SECONDS
    assert [(found.label, found.weights, found.images, found.labels) for found in detail.evaluations] == [
        ("last", "last", 5000, 36335),
        ("best", "best", 5000, 36335),
    ]
    for found in detail.evaluations:
        assert list(found.values) == [*METRICS, *COCO_KEYS]
        assert [found.values[key].text for key in COCO_KEYS] == COCO[found.label].split()
        assert found.values["R"].value == {"last": 0.627, "best": 0.625}[found.label]


def test_the_seed_in_the_list_of_runs(workspace: Workspace) -> None:
    import_logs(workspace, [SEED], name="relu")
    (run,) = list_runs(workspace)
    assert (run.name, run.state, run.reason) == ("relu", RunState.ENDED, "complete: 30 epochs in 22.593 hours")
    assert (run.epochs_done, run.epochs_total, run.seconds) == (30, 30, 81334.8)
    assert (run.best_map, run.best_epoch) == (Number("0.478", 0.478), 20)
    assert run.map_curve == (0.478, 0.478, 0.478, 0.478, 0.477, 0.477, 0.478, 0.478, 0.478, 0.478)
    assert run.source == "imported"
    assert run.progress is None or not run.state.is_live
    detail = get_detail(workspace, "relu")
    assert detail.imported_from == str(SEED)
    kinds = [event.kind for event in detail.events]
    assert kinds == ["training completed", *["model summary"] * 2, *["checkpoint stripped"] * 2]
    assert detail.events[1].payload == {
        "layers": 314,
        "parameters": 36907898,
        "gradients": 6194944,
        "gflops": "104.5",
        "fused": True,
    }
    assert [event.payload["megabytes"] for event in detail.events[3:]] == ["75.6", "75.6"]


def test_importing_again_makes_nothing_new(workspace: Workspace, tmp_path: Path) -> None:
    (first,) = import_logs(workspace, [SEED])
    rows, files = dump(workspace.database), tree(workspace)
    elsewhere = tmp_path / "other name.log"
    elsewhere.write_bytes(SEED.read_bytes())
    for path in (SEED, elsewhere):
        (again,) = import_logs(workspace, [path], name="again")
        assert (again.is_new, again.run_id, again.name) == (False, first.run_id, "results_act_relu")
        assert (again.epochs, again.evaluations) == (10, 2)
    assert dump(workspace.database) == rows
    assert tree(workspace) == files


def test_the_same_file_twice_in_one_command_is_one_run(workspace: Workspace) -> None:
    assert [report.is_new for report in import_logs(workspace, [SEED, SEED])] == [True, False]
    assert len(list_runs(workspace)) == 1


def test_the_run_does_not_need_the_file_any_more(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(epochs_log(0, 2))
    import_logs(workspace, [path])
    path.unlink()
    (run,) = list_runs(workspace)
    assert workspace.run(run.id).attempt(1).console.read_bytes() == epochs_log(0, 2)
    assert (run.name, run.epochs_done) == ("train", 3)


def test_names_are_counted_up(workspace: Workspace, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.log" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(epochs_log(0, number))
    assert [report.name for report in import_logs(workspace, paths[:2], name="exp")] == ["exp", "exp2"]
    assert [report.name for report in import_logs(workspace, paths[2:], name="exp")] == ["exp3"]
    assert find_run(workspace, "exp2").epochs_done == 2


@pytest.mark.parametrize("name", ["-rf", "a/b", "", "two\nlines"])
def test_a_name_that_cannot_be_typed_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(YoloqatError, match="is not a valid run name"):
        import_logs(workspace, [SEED], name=name)
    assert tree(workspace) == []


@pytest.mark.parametrize("name", ["-rf.log", "\x1b[2J.log", " .log", "\udcff\udcfe.log"])
def test_an_odd_file_name_becomes_a_name_that_can_be_typed(workspace: Workspace, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(epochs_log(0, 1))
    (report,) = import_logs(workspace, [path])
    assert report.name.isprintable()
    assert not report.name.startswith("-")
    assert get_detail(workspace, report.run_id).run.epochs_done == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(range(256)) * 4000, "unrecognised log format"),
        (b"", "unrecognised log format"),
        (b"\x7fELF" + b"\0" * 100_000, "this is a program or library"),
        ("dear diary, epoch after epoch 1/29 7.5G 0.1 0.2\n".encode("utf-16"), "unrecognised log format"),
        (None, "cannot be read: No such file"),
    ],
    ids=["every byte", "empty", "program", "another encoding", "absent"],
)
def test_what_is_no_log_is_refused_and_costs_the_others_nothing(
    workspace: Workspace, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "garbage.log"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(YoloqatError, match=words) as caught:
        import_logs(workspace, [path])
    assert str(path) in str(caught.value)
    assert tree(workspace) == []
    assert list_runs(workspace) == []
    reports = {report.path.name: report for report in import_logs(workspace, [path, SEED])}
    assert reports[SEED.name].status == "new"
    assert (reports[path.name].status, reports[path.name].run_id) == ("not read", "")
    assert reports[path.name].reason


@pytest.mark.parametrize("path", [Path("/dev/zero"), Path("/dev/null")])
def test_what_is_no_file_is_refused_at_once(workspace: Workspace, path: Path) -> None:
    with pytest.raises(YoloqatError) as caught:
        import_logs(workspace, [path])
    assert str(path) in str(caught.value)
    assert tree(workspace) == []


SLURM = b"slurmstepd: error: *** JOB 123 ON node1"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (b"10 epochs completed in 0.123 hours.\n", "complete: 10 epochs in 0.123 hours"),
        (log(TRACEBACK, "KeyError: 'nc'"), "crashed after epoch 3/9: KeyError: 'nc'"),
        (log(TRACEBACK, "KeyboardInterrupt"), "interrupted after epoch 3/9"),
        (log(TRACEBACK, OUT_OF_MEMORY), "out of memory: torch.cuda.OutOfMemoryError: CUDA out of memory."),
        (b"", "cut off after epoch 3/9"),
        (b"Killed\n", "killed after epoch 3/9"),
        (b"./run.sh: line 3:  812 Killed                  python train.py\n", "killed after epoch 3/9"),
        (b"Terminated\n", "terminated after epoch 3/9"),
        (b"Segmentation fault (core dumped)\n", "segmentation fault after epoch 3/9"),
        (b"Bus error (core dumped)\n", "out of shared memory (bus error; docker: --shm-size) after epoch 3/9"),
        (
            b"    error_file: <N/A>\n    traceback : Signal 9 (SIGKILL) received by PID 812\n",
            "killed (SIGKILL) after epoch",
        ),
        (SLURM + b" CANCELLED AT 2024-05-01T12:00:00 ***\n", "cancelled after epoch 3/9"),
        (SLURM + b" CANCELLED AT 2024-05-01T12:00:00 DUE TO TIME LIMIT ***\n", "time limit after epoch 3/9"),
        (SLURM + b" CANCELLED AT 2024-05-01T12:00:00 DUE TO PREEMPTION ***\n", "preempted after epoch 3/9"),
        (
            SLURM + b" CANCELLED AT 2024-05-01T12:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG ***\n",
            "node failed after",
        ),
        (b"10 epochs completed in 1.000 hours.\n" + SLURM + b" CANCELLED AT 2024-05-01T12:00:00 ***\n", "complete: 10"),
    ],
    ids=str,
)
def test_how_the_log_ended_is_told(workspace: Workspace, tmp_path: Path, end: bytes, reason: str) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(epochs_log(0, 3) + end)
    import_logs(workspace, [path])
    assert find_run(workspace, "train").reason.startswith(reason)


def test_a_log_that_ends_before_its_first_epoch(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(log("Starting training for 10 epochs...", TRACEBACK, "BrokenPipeError: [Errno 32] Broken pipe"))
    (report,) = import_logs(workspace, [path])
    assert report.epochs == 0
    run = find_run(workspace, "train")
    assert run.reason == "crashed before the first epoch ended: BrokenPipeError: [Errno 32] Broken pipe"
    assert (run.epochs_done, run.epochs_total) == (0, 10)


def test_a_log_with_hostile_bytes_between_its_lines_is_stored(workspace: Workspace, tmp_path: Path) -> None:
    nasty = b'::yoloqat {"event": "x\\ud800"}\n\xff\xfe\0\n::yoloqat {"event": "epoch", "epoch": 1e999}\n'
    nasty += b"::yoloqat " + b'{"event": "epoch", "epoch": 1, "lr": [1e999, NaN, {}], "metrics": [], "val_loss": {}}\n'
    nasty += (
        b'::yoloqat {"event": "evaluation", "metrics": {"AP": 9223372036854775807}, "label": {}}\n' + b"\x1b[" * 9000
    )
    path = tmp_path / "train.log"
    path.write_bytes(ALL_KINDS.replace(b"\n", b"\n" + nasty + b"\n", 5))
    import_logs(workspace, [path])
    assert [epoch.epoch for epoch in get_detail(workspace, "train").epochs] == [0, 1, 2]


def test_the_options_that_a_log_tells_are_those_of_its_run(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    options = "Namespace(weights='yolov7.pt', epochs=9, img_size=[640, 640], resume=False)"
    path.write_bytes(log(options, "hyperparameters: lr0=0.01, epochs=1") + epochs_log(0, 3))
    import_logs(workspace, [path])
    told = {"weights": "yolov7.pt", "epochs": 9, "img_size": [640, 640], "resume": False, "lr0": 0.01}
    assert get_detail(workspace, "train").options == told


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder ../shared/logs with real logs is absent")
def test_real_logs_of_yolov7_are_imported(workspace: Workspace) -> None:
    names = {"tiny-nohup.out": 300, "notebook-300ep.txt": 300, "resumed.txt": 75, "colab-head-truncated.txt": 999}
    reports = import_logs(workspace, [REAL / f"yolov7-{name}" for name in names])
    assert [report.epochs for report in reports] == list(names.values())
    for report, epochs in zip(reports, names.values(), strict=True):
        detail = get_detail(workspace, report.run_id)
        assert len(detail.epochs) == epochs
        assert all("mAP@.5:.95" in epoch.values for epoch in detail.epochs)
        assert detail.run.reason.startswith("complete: ")
