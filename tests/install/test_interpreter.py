"""The Python that runs our stages is asked before a launch, and answered by one line of pip."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from app.launching.launch import launch_stage
from app.launching.next_command import next_command
from app.launching.pipelines import load_pipeline, plan_pipeline
from app.workspace.engine_python import choose_engine
from engine.contracts.errors import YoloqatError
from engine.contracts.options.shapes import ShapesOptions
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.files.programs import module_command
from engine.supervise.launch.interpreter import EngineChoice, examine_interpreter, requirements
from engine.supervise.launch.launch import write_attempt

EVERYTHING = {
    "torch": "2.9.1+cu128",
    "numpy": "2.1.0",
    "cv2": "4.5.1",
    "PIL": "11.0",
    "pycocotools": "2.0.10",
    "pytorch_quantization": "2.1.3",
    "pkg_resources": "80.9.0",
    "onnx": "1.19.0",
    "onnxruntime": "",
    "pydantic": "2.11.0",
    "yaml": "6.0.2",
    "psutil": "7.0.0",
}


def python_with(folder: Path, python: str = "3.12.4", **modules: str | None) -> str:
    """A program that answers as a Python with everything, but for what is given; None is absent."""
    held = {name: version for name, version in {**EVERYTHING, **modules}.items() if version is not None}
    answer = json.dumps({"python": python, "modules": held, "cuda": "12.8"})
    program = folder / "python"
    program.write_text(f"#!/bin/sh\necho a greeting of sitecustomize\necho {shlex.quote(answer)}\n")
    program.chmod(0o755)
    return str(program)


def refusal(program: str) -> YoloqatError:
    with pytest.raises(YoloqatError) as caught:
        EngineChoice.of(program, "from --engine-python").check()
    return caught.value


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    return made


def configure(tmp_path: Path, python: str) -> None:
    path = tmp_path / "config" / "yoloqat" / "settings.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"engine_python: {python}\n")


def test_a_python_with_everything_is_taken(tmp_path: Path) -> None:
    """An opencv-python of any version brings cv2, and what was built by hand has no version."""
    program = python_with(tmp_path)
    EngineChoice.of(program, "").check()
    EngineChoice.of(str(Path(sys.prefix)), "the folder of an environment").check()
    assert examine_interpreter(program).torch == "2.9.1+cu128"


def test_what_is_missing_is_one_line_that_keeps_the_torch_that_is_there(tmp_path: Path) -> None:
    program = python_with(tmp_path, pytorch_quantization=None, onnx=None, pkg_resources="82.0.1")
    error = refusal(program)
    assert "it lacks pytorch-quantization, onnx; it has setuptools 82.0.1" in error.what
    assert error.where == f"{program} (from --engine-python)"
    wanted = "torch==2.9.1+cu128 pytorch-quantization==2.1.3 'setuptools<81' 'onnx>=1.17'"
    assert error.hint == f"Run: {program} -m pip install {wanted}"


def test_a_torch_outside_of_the_range_is_refused(tmp_path: Path) -> None:
    error = refusal(python_with(tmp_path, torch="2.4.0"))
    assert "it has torch 2.4.0" in error.what
    assert str(requirements()["torch"]) in shlex.split(error.hint or "")


@pytest.mark.parametrize("version", ["3.10.13", "3.8.1"])
def test_a_python_that_is_too_old_is_refused_without_a_line_of_pip(tmp_path: Path, version: str) -> None:
    error = refusal(python_with(tmp_path, version))
    assert f"it is Python {version}" in error.what
    assert "pip" not in (error.hint or "")


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/true", "/bin/false"])
def test_what_is_no_python_is_refused(program: str) -> None:
    assert program in (refusal(program).where or "")


def test_the_option_wins_over_the_earlier_attempt_and_that_over_the_settings(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert choose_engine().path == sys.executable
    settings, earlier = tmp_path / "settings", tmp_path / "earlier"
    settings.mkdir()
    earlier.mkdir()
    configure(tmp_path, python_with(settings))
    assert choose_engine().path == str(settings / "python")
    recorded = python_with(earlier)
    assert choose_engine(recorded=recorded).path == recorded
    assert choose_engine(recorded="/gone/python").path == str(settings / "python")
    assert choose_engine("/bin/true", recorded=recorded).path == "/bin/true"


def test_a_launch_is_refused_before_anything_is_written(workspace: Workspace, tmp_path: Path) -> None:
    configure(tmp_path, python_with(tmp_path, onnx=None))
    with pytest.raises(YoloqatError, match="it lacks onnx"):
        launch_stage(workspace, "shapes", ShapesOptions(), cwd=tmp_path)
    assert list(workspace.runs.iterdir()) == []


def test_pipelines_and_the_form_of_the_screen_plan_with_it(workspace: Workspace, tmp_path: Path) -> None:
    configure(tmp_path, python_with(tmp_path))
    planned = plan_pipeline(workspace, load_pipeline("demo"), cwd=tmp_path)
    assert {spec.command[0] for spec in planned} == {str(tmp_path / "python")}
    planned = plan_pipeline(workspace, load_pipeline("demo"), cwd=tmp_path, engine_python=sys.executable)
    assert {spec.command[0] for spec in planned} == {sys.executable}


def test_a_resumed_stage_keeps_its_python(workspace: Workspace, tmp_path: Path) -> None:
    program = python_with(tmp_path)
    command = module_command("engine", "shapes", "--run-dir", "x", python=program)
    spec = RunSpec(id="20260101-000000-aaaa", name="drawn", stage="shapes", command=command, cwd=str(tmp_path))
    write_attempt(workspace, spec)
    argv, _ = next_command(workspace.run(spec.id), spec)
    assert argv == command
    os.remove(program)
    argv, _ = next_command(workspace.run(spec.id), spec)
    assert argv == module_command("engine", "shapes", "--run-dir", "x")
