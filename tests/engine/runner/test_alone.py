"""The runner stands on the standard library alone, from its own file."""

import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).resolve().parents[3] / "engine" / "runner"

HEAVY = ("dataclasses", "inspect", "subprocess", "argparse", "logging", "asyncio", "threading", "pathlib", "statistics")
"""Modules of the standard library that cost a megabyte or more."""


def test_importing_it_imports_nothing_else_of_ours():
    code = (
        f"import sys; sys.path.append({str(RUNNER.parents[1])!r})\n"
        "import engine.runner.main, engine.runner.stopper, engine.runner.processes.samples\n"
        "ours = [n for n in sys.modules if n.startswith(('engine', 'app', 'db'))]\n"
        "print([n for n in ours if not n.startswith(('engine.runner', 'engine.files')) and n != 'engine'])\n"
        f"print([n for n in {HEAVY!r} if n in sys.modules])"
    )
    printed = subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True)
    assert printed.split() == ["[]", "[]"]


def test_it_runs_from_its_file_and_as_a_module(tmp_path):
    for command in (["-I", "-S", str(RUNNER / "__main__.py")], ["-P", "-m", "engine.runner"]):
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(RUNNER.parents[1])},
            check=False,
        )
        assert done.returncode == 2
        assert "usage: python -P -m engine.runner" in done.stderr


def test_a_folder_without_a_launch_record_is_refused(tmp_path):
    command = [sys.executable, "-I", "-S", str(RUNNER / "__main__.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_launch_record_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "launch.json").write_bytes(b"\x00 not json")
    command = [sys.executable, "-I", "-S", str(RUNNER / "__main__.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "launch.json cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
