"""What the distributions hold, and that they work where anybody's modules are called like ours."""

import json
import os
import subprocess
import tomllib
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY
from tests.install.conftest import ENGINE, PROJECTS, Environment

TREES = ("app", "configs", "db", "engine")
NAMED_BY_THE_USER = {"textual", "rich", "torch", "pytorch-quantization", "pycocotools", "sqlmodel", "onnx"}
WITHOUT = {"torch", "onnx", "onnxruntime", "opencv-python-headless", "pytorch-quantization", "pycocotools"}


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def message(wheel: Path) -> metadata.PackageMetadata:
    return metadata.PathDistribution(
        zipfile.Path(wheel, next(name for name in names(wheel) if name.endswith("/METADATA")).removesuffix("METADATA"))
    ).metadata


def required(wheel: Path) -> set[str]:
    found = [Requirement(text) for text in message(wheel).get_all("Requires-Dist") or []]
    return {one.name for one in found if one.marker is None or one.marker.evaluate({"extra": ""})}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_holds_every_file_of_ours_in_one_folder(wheels: dict[str, Path], name: str) -> None:
    held = names(wheels[name])
    assert {path.partition("/")[0] for path in held if ".dist-info/" not in path} == {"yoloqat.py", "_yoloqat"}
    files = {path for tree in TREES for path in (REPOSITORY / tree).rglob("*") if path.is_file()}
    expected = {
        f"_yoloqat/{path.relative_to(REPOSITORY)}" for path in files if path.suffix not in (".pyc", ".md", ".pyi")
    }
    assert {path for path in held if path.startswith("_yoloqat/")} == expected


def test_the_whole_requires_what_the_manager_does_without(wheels: dict[str, Path]) -> None:
    whole, manager = required(wheels["yoloqat"]), required(wheels["yoloqat-manager"])
    assert whole >= NAMED_BY_THE_USER
    assert manager < whole
    assert whole - manager >= WITHOUT
    assert {"textual", "rich", "sqlmodel"} <= manager


def test_both_are_one_version_for_linux_with_the_same_commands(wheels: dict[str, Path]) -> None:
    whole, manager = (message(wheel) for wheel in wheels.values())
    assert whole["Version"] == manager["Version"]
    assert whole["Requires-Python"] == manager["Requires-Python"]
    for each in (whole, manager):
        assert "Operating System :: POSIX :: Linux" in (each.get_all("Classifier") or [])
    scripts = [
        tomllib.loads((REPOSITORY / project / "pyproject.toml").read_text())["project"]["scripts"]
        for project in PROJECTS.values()
    ]
    assert scripts[0] == scripts[1]


@pytest.fixture(scope="module")
def manager(wheels: dict[str, Path], environment: Callable[[str], Environment]) -> Environment:
    """An environment with the manager, and none of what it does without."""
    made = environment("manager")
    made.borrow(without=ENGINE)
    made.pip_install("--no-deps", "--no-index", str(wheels["yoloqat-manager"]))
    return made


@pytest.fixture
def call(tmp_path: Path, hostile: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a folder, and with a PYTHONPATH, where modules are called like ours."""
    variables = {
        "PYTHONPATH": str(hostile),
        "YOLOQAT_WORKSPACE": str(tmp_path / "workspace"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=hostile,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_the_manager_works_among_modules_that_are_called_like_ours(
    manager: Environment, call: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    assert not {*TREES} & {path.stem for path in manager.site_packages.iterdir()}
    command = str(manager.path / "bin" / "yoloqat")
    done = call(
        command, "run", "-f", "--name", "mine", "--", manager.python, "-P", "-c", "import os; print(os.environ)"
    )
    assert done.returncode == 0, done.stderr
    assert f"'PYTHONPATH': '{tmp_path / 'hostile'}'" in done.stdout, (
        "a command of the user's keeps what the user has set"
    )
    listed = call(manager.python, "-m", "yoloqat", "ls")
    assert "mine" in listed.stdout
    assert "succeeded" in listed.stdout
    assert "Traceback" not in (tmp_path / "workspace" / "indexer.log").read_text()
    screen = call(str(manager.path / "bin" / "yoloqat-tui"))
    assert "needs a terminal" in screen.stderr


def test_the_manager_says_where_an_engine_can_come_from(
    manager: Environment, call: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    command = str(manager.path / "bin" / "yoloqat")
    done = call(command, "shapes")
    assert done.returncode == 2
    assert "there is no engine: this Python has no torch" in done.stderr
    assert "--engine-python" in done.stderr
    assert "warning  engine: none in " in call(command, "doctor").stdout


@pytest.mark.slow
def test_the_managers_stages_run_in_another_python(
    manager: Environment,
    environment: Callable[[str], Environment],
    call: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """Its sources, that Python's packages: which has none of ours installed."""
    other = environment("cuda")
    other.borrow()
    settings = tmp_path / "config" / "yoloqat" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"engine_python: {other.path}\n")
    command = str(manager.path / "bin" / "yoloqat")
    done = call(command, "shapes", "--name", "drawn", "--train-images", "4", "--val-images", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    launch = json.loads(next((tmp_path / "workspace" / "runs").glob("*/attempts/1/launch.json")).read_text())
    assert launch["argv"][:5] == [other.python, "-P", str(manager.site_packages / "yoloqat.py"), "--module", "engine"]
    assert launch["provenance"]["interpreter"] == other.python
    assert f"ok       engine: {other.python}" in call(command, "doctor").stdout


def test_an_editable_install_exposes_none_of_our_names(
    environment: Callable[[str], Environment],
    tree: Path,
    call: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    made = environment("editable")
    made.borrow()
    editable = ("--no-deps", "--no-index", "--no-build-isolation", "-e", str(tree))
    done = subprocess.run([made.python, "-m", "pip", "install", "-q", *editable], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    neutral = tmp_path / "neutral"
    neutral.mkdir()
    for name in TREES:
        imported = subprocess.run([made.python, "-c", f"import {name}"], cwd=neutral, capture_output=True, text=True)
        assert "ModuleNotFoundError" in imported.stderr, name
    assert "Put YOLOv7 on INT8 hardware" in call(str(made.path / "bin" / "yoloqat"), "--help").stdout
    assert "no runs yet" in call(made.python, "-m", "yoloqat", "ls").stdout
