"""Every program of ours imports our modules, whatever lies on PYTHONPATH or in the working directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.launching.requeue_paused import write_pause_request
from engine.contracts.attempt_records import PauseRequest
from engine.contracts.run_folder import AttemptFolder
from engine.files.programs import ENTRY, PACKAGE_ROOT, module_command
from engine.supervise.gpu.inventory import query_command
from engine.supervise.gpu.usage import usage_command
from engine.supervise.launch.commands import current_command, runner_command
from engine.supervise.slurm.on_nodes import command_of, on_nodes_argv
from engine.supervise.slurm.script import script_text


def run(command: list[str], hostile: Path) -> subprocess.CompletedProcess[str]:
    """In the hostile folder, which PYTHONPATH names too."""
    variables = {**os.environ, "PYTHONPATH": str(hostile)}
    return subprocess.run(command, cwd=hostile, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("module", "arguments", "code", "printed"),
    [
        ("engine", ["shapes", "--help"], 0, "--train-images"),
        ("app.cli.main", ["--help"], 0, "yoloqat COMMAND --help"),
        ("app.tui", ["--help"], 0, "--demo"),
        ("app.indexing.process", ["--help"], 0, "--workspace"),
        ("app.launching.requeue_paused", ["/nowhere/run/attempts/1"], 0, ""),
        ("app.launching.requeue_slurm", ["/nowhere/run/attempts/1"], 1, ""),
        ("engine.evaluate.bootstrap_command", [], 0, ""),
        ("engine.export.timing_worker", ["--help"], 0, "--threads"),
    ],
)
def test_a_module_runs_as_a_program(hostile: Path, module: str, arguments: list[str], code: int, printed: str) -> None:
    done = run(module_command(module, *arguments), hostile)
    assert "was imported" not in done.stderr
    assert "ModuleNotFoundError" not in done.stderr
    assert printed in done.stdout
    assert done.returncode == code, done.stderr


def test_the_entry_is_the_command_by_its_path_too(hostile: Path) -> None:
    assert "yoloqat COMMAND --help" in run([sys.executable, ENTRY, "--help"], hostile).stdout


@pytest.mark.parametrize(
    "command",
    [runner_command(), query_command(), [*usage_command(), "1", "mark"], on_nodes_argv(["python", "train.py"], 1, 2)],
)
def test_a_helper_runs_by_its_path(hostile: Path, command: list[str]) -> None:
    done = run(command, hostile)
    assert "was imported" not in done.stderr
    assert "No module named 'engine" not in done.stderr


def test_what_a_runner_or_a_job_starts_later_needs_no_pythonpath(hostile: Path, tmp_path: Path) -> None:
    attempt = AttemptFolder(tmp_path / "run" / "attempts" / "1")
    attempt.path.mkdir(parents=True)
    write_pause_request(attempt)
    request = PauseRequest.read(attempt.pause)
    assert request is not None
    assert request.command == module_command("app.launching.requeue_paused", str(attempt.path))
    assert ENTRY in script_text([attempt])
    assert command_of(on_nodes_argv(["python", "train.py"], 1, 2)) == ["python", "train.py"]


def test_a_recorded_stage_is_called_as_it_is_today() -> None:
    """A run that an older version has launched, or one whose installation has moved, can still be tried again."""
    today = [sys.executable, "-P", ENTRY, "--module", "engine", "retrain", "--run-dir", "/w"]
    assert current_command([sys.executable, "-P", "-m", "engine", "retrain", "--run-dir", "/w"]) == today
    moved = [sys.executable, "-P", "/old/yoloqat.py", "--module", "engine", "retrain", "--run-dir", "/w"]
    assert current_command(moved) == today
    assert current_command(moved, "/opt/python")[0] == "/opt/python"
    foreign = ["python", "-P", "-m", "enginelike", "retrain"]
    assert current_command(foreign) == foreign


@pytest.mark.parametrize("module", ["app.services.indexer", "app.services.paused", "app.services.restarted"])
def test_modules_that_older_processes_start_are_found_in_the_same_tree(hostile: Path, module: str) -> None:
    """These had the tree first on PYTHONPATH: its names are importable there, though not from anywhere else."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([PACKAGE_ROOT, str(hostile)]), "PYTHONSAFEPATH": "1"}
    arguments = ["--help"] if module.endswith("indexer") else ["/nowhere/run/attempts/1"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        cwd=hostile,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "ModuleNotFoundError" not in done.stderr
    assert "was imported" not in done.stderr
