"""What a run is started with, and what is kept of that."""

import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from engine.contracts.attempt_records import LaunchRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.options.evaluate import EvaluateOptions
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.files.programs import ENTRY, module_command
from engine.supervise.launch.commands import PACKAGE_ROOT, engine_command, engine_environment
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.launch.provenance import DIFF_LIMIT_BYTES, git_state, safe_environment
from engine.supervise.launch.versions import package_versions

HOSTILE = "open(__file__ + '.was-imported', 'w').close()\nraise SystemExit('the wrong module was imported')\n"
NAMES = ("engine.py", "app.py", "json.py", "signal.py", "fcntl.py", "ctypes.py", "sitecustomize.py", "usercustomize.py")


@pytest.fixture
def hostile(lab, monkeypatch):
    """A working directory full of modules that shadow ours and the standard library's, on the user's PYTHONPATH too."""
    for name in NAMES:
        (lab.cwd / name).write_text(HOSTILE)
    monkeypatch.setenv("PYTHONPATH", str(lab.cwd))
    monkeypatch.setenv("PYTHONSTARTUP", str(lab.cwd / "app.py"))
    monkeypatch.chdir(lab.cwd)
    return lab


def imported(lab):
    return [path.name for path in lab.cwd.glob("*.was-imported")]


def test_a_hostile_working_directory_does_not_reach_the_runner(hostile):
    hostile.shell("echo fine").until_state(RunState.SUCCEEDED)
    assert imported(hostile) == []


def test_our_stages_import_our_engine_in_a_hostile_directory(hostile):
    for name in NAMES:
        if name not in ("app.py", "engine.py"):  # a PYTHONPATH that replaces the standard library is the user's wish
            (hostile.cwd / name).unlink()
    run = hostile.run(module_command("engine", "shapes", "--help"), stage="retrain")
    run.until_state(RunState.SUCCEEDED)
    assert "usage: python -P -m engine shapes" in run.log()
    assert imported(hostile) == []


def test_the_users_path_is_kept_for_our_stages_but_for_relative_folders(tmp_path):
    """Clusters set PYTHONPATH to where torch lies, which may be beside an `engine`; people set it to `.`."""
    modules = tmp_path / "modules"
    (modules / "engine").mkdir(parents=True)
    path = os.pathsep.join([".", "", "src", str(modules), "/opt/torch"])
    assert engine_environment({"PYTHONPATH": path})["PYTHONPATH"] == f"{modules}{os.pathsep}/opt/torch"


def test_a_foreign_command_gets_the_users_environment(lab, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere:/else")
    monkeypatch.setenv("MY_TOKEN", "geheim")
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    before = dict(os.environ)
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    run = lab.run([sys.executable, "-I", "-S", "-c", code], env={"CUDA_VISIBLE_DEVICES": "1"})
    run.until_state(RunState.SUCCEEDED)
    after = json.loads(run.log())
    added = {name: value for name, value in after.items() if before.get(name) != value}
    assert added == {
        "PYTHONUNBUFFERED": "1",
        "YOLOQAT_ATTEMPT": str(run.attempt.path),
        "CUDA_VISIBLE_DEVICES": "1",
    } | {name: value for name, value in added.items() if name == "LC_CTYPE"}
    assert set(before) <= set(after)


def test_a_stage_runs_in_the_users_directory(lab):
    run = lab.shell("pwd")
    run.until_state(RunState.SUCCEEDED)
    assert run.log().strip() == str(lab.cwd)


def test_the_command_line_of_a_stage_is_read_back_by_its_parser(tmp_path):
    options = EvaluateOptions(weights="a b.pt", data="d.yaml", single_cls=True)
    argv = engine_command("evaluate", options, tmp_path)
    assert argv[:7] == [sys.executable, "-P", ENTRY, "--module", "engine", "evaluate", "--run-dir"]
    assert argv[7:] == [str(tmp_path), "--weights", "a b.pt", "--data", "d.yaml", "--single-cls"]


def test_ids_sort_by_time_and_differ():
    ids = [new_run_id() for _ in range(200)]
    assert len(set(ids)) == 200
    assert ids == sorted(ids)
    assert ids[0][:2] == "20"
    assert len(ids[0]) == len("20261123-142501-k3f9")


def test_no_secret_is_written_down(lab, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "geheim-1")
    monkeypatch.setenv("CUDA_AUTH_TOKEN", "geheim-2")
    monkeypatch.setenv("TORCH_HOME_URL", "https://me:geheim-3@host/x")
    monkeypatch.setenv("SOME_OTHER", "geheim-4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    for path in run.folder.path.rglob("*"):
        if path.is_file():
            assert "geheim" not in path.read_text(), path
    assert run.process.provenance.environment["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert "PATH" in run.process.provenance.environment


def test_the_environment_filter():
    kept = safe_environment(
        {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "NCCL_DEBUG": "INFO", "HOME": "/root", "SLURM_JOB_ID": "1"}
        | {"SLURM_PASSWORD": "x", "PYTORCH_SECRET": "x", "AWS_ACCESS_KEY_ID": "x", "LD_PRELOAD": "http://u:p@h"}
    )
    assert set(kept) == {"OMP_NUM_THREADS", "PYTHONHASHSEED", "NCCL_DEBUG", "SLURM_JOB_ID"}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    return subprocess.check_output(["git", "-C", str(folder), *identity, *arguments], text=True)


def test_commit_and_uncommitted_changes_are_kept(lab):
    git(lab.cwd, "init", "-q", "-b", "relu")
    (lab.cwd / "train.py").write_text("lr = 0.01\n")
    git(lab.cwd, "add", ".")
    git(lab.cwd, "commit", "-q", "-m", "start")
    (lab.cwd / "train.py").write_text("lr = 0.02\n")
    (lab.cwd / "loss.py").write_text("new = True\n")
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    state = run.process.provenance.git
    assert state.commit == git(lab.cwd, "rev-parse", "HEAD").strip()
    assert (state.branch, state.dirty) == ("relu", True)
    assert "+lr = 0.02" in (run.attempt.path / state.diff).read_text()
    assert state.untracked == ["loss.py"]


def test_a_huge_diff_is_bounded(tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "big.txt").write_text("a\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "start")
    (repository / "big.txt").write_text("b" * 79 + "\n" + ("c" * 79 + "\n") * 20_000)
    state = git_state(repository, tmp_path / "git.diff")
    assert state.diff_bytes > 1_500_000
    assert (tmp_path / "git.diff").stat().st_size == DIFF_LIMIT_BYTES


def test_outside_of_a_repository_there_is_no_git_state(tmp_path):
    assert git_state(tmp_path, tmp_path / "git.diff") is None
    assert git_state(tmp_path / "gone", tmp_path / "git.diff") is None


@pytest.fixture
def other_python(tmp_path):
    """An environment of its own, with a torch of another version."""
    venv.create(tmp_path / "other", symlinks=True)
    python = tmp_path / "other/bin/python"
    found = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)
    for name, version in (("torch", "1.9.0"), ("ultralytics", "8.0.1")):
        folder = Path(found.strip()) / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return python


def test_the_packages_are_those_of_the_commands_own_python(lab, other_python):
    script = lab.cwd / "yolo"
    script.write_text(f"#!{other_python}\nprint('trained')\n")
    script.chmod(0o755)
    (lab.cwd / "torch.py").write_text("raise SystemExit('nothing of the users folder is run')\n")
    path = f"{other_python.parent}:{os.environ['PATH']}"
    for argv, env in (
        ([str(other_python), "-c", "pass"], {}),
        (["./yolo"], {}),
        (["sh", "-c", "python -c pass"], {"PATH": path}),
    ):
        run = lab.run(argv, env=env)
        run.until_state(RunState.SUCCEEDED)
        told = run.process.provenance
        assert (told.interpreter, told.python) == (str(other_python), platform.python_version())
        assert told.packages == {"torch": "1.9.0", "ultralytics": "8.0.1"}


def test_a_stage_of_ours_has_our_packages(lab):
    run = lab.run([sys.executable, "-c", "pass"])
    run.until_state(RunState.SUCCEEDED)
    assert run.process.provenance.interpreter == sys.executable
    assert run.process.provenance.packages == package_versions()
    assert "torch" in package_versions()


def test_a_python_that_does_not_answer_is_left_out(lab):
    python = lab.cwd / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    run = lab.run(["./python3", "train.py"])
    run.until_state(RunState.FAILED)
    told = run.process.provenance
    assert (told.interpreter, told.python, told.packages) == (str(python), "", {})


def test_versions_are_read_without_importing_the_packages():
    code = (
        "import sys\nfrom engine.supervise.launch import launch\nfrom engine.supervise.state import status\n"
        "from engine.supervise.launch.versions import package_versions\n"
        "versions = package_versions()\nheavy = ('torch', 'numpy', 'onnx', 'psutil', 'cv2')\n"
        "print(versions['numpy'], [name for name in heavy if name in sys.modules])"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=PACKAGE_ROOT, text=True)
    assert printed.split() == [package_versions()["numpy"], "[]"]


def test_the_launch_record_holds_the_whole_request(lab):
    run = lab.shell("true", artifacts={"best": "weights/best.pt"}, env={"A": "b"})
    record = LaunchRecord.read(run.attempt.launch)
    assert record.run_id == run.folder.id
    assert record.argv == ["sh", "-c", "true"]
    assert record.artifacts == {"best": "weights/best.pt"}
    assert record.env == {"A": "b"}
    assert RunSpec.read(run.folder.spec).command == record.argv


def test_a_parent_that_is_not_there_is_told(lab):
    spec = RunSpec(id=new_run_id(), name="x", stage="command", command=["true"], parents=["20250101-000000-gone"])
    with pytest.raises(YoloqatError, match="there is no run 20250101-000000-gone"):
        launch(lab.workspace, spec)
    assert not lab.workspace.runs.exists()


def test_an_empty_command_is_refused(lab):
    with pytest.raises(YoloqatError, match="no command"):
        lab.run([])


def test_a_workspace_that_cannot_be_written_is_told(lab, tmp_path):
    (tmp_path / "file").write_text("")
    lab.workspace = Workspace(tmp_path / "file")
    with pytest.raises(YoloqatError, match="cannot write the run: Not a directory") as raised:
        lab.shell("true")
    assert "--workspace" in str(raised.value)


def test_a_runner_that_cannot_start_is_told_and_kept(lab, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    spec = RunSpec(id=new_run_id(), name="x", stage="command", command=["true"], cwd=str(lab.cwd))
    with pytest.raises(YoloqatError, match="the runner cannot be started"):
        launch(lab.workspace, spec)
    status = lab.adopt(spec.id).state()
    assert status.state is RunState.COULD_NOT_START
    assert "No such file or directory" in status.reason
