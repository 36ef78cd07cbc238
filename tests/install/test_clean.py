"""Wheels and sdists of both distributions in clean environments, with what they require from the package index."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.install.conftest import PROJECTS, Environment

pytestmark = pytest.mark.slow

SDIST = "import sys, setuptools.build_meta as backend; print(backend.build_sdist(sys.argv[1]))"


@pytest.fixture(params=["wheel", "sdist"])
def artifact(
    request: pytest.FixtureRequest, tree: Path, wheels: dict[str, Path], tmp_path: Path
) -> Callable[[str], Path]:
    """What is installed of a distribution."""

    def find(name: str) -> Path:
        if request.param == "wheel":
            return wheels[name]
        command = [sys.executable, "-c", SDIST, str(tmp_path)]
        subprocess.run(command, cwd=tree / PROJECTS[name], check=True, capture_output=True)
        return next(tmp_path.glob("*.tar.gz"))

    return find


def call(made: Environment, folder: Path, *arguments: str) -> str:
    variables = {"YOLOQAT_WORKSPACE": str(folder / "workspace"), "XDG_CONFIG_HOME": str(folder / "config")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    command = [str(made.path / "bin" / "yoloqat"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_manager(
    artifact: Callable[[str], Path], environment: Callable[[str], Environment], tmp_path: Path
) -> None:
    made = environment("manager")
    made.pip_install(str(artifact("yoloqat-manager")))
    assert not list(made.site_packages.glob("torch*"))
    call(made, tmp_path, "run", "-f", "--name", "mine", "--", "true")
    assert "succeeded" in call(made, tmp_path, "ls")
    assert "packages: yoloqat-manager" in call(made, tmp_path, "doctor")


def test_the_whole(artifact: Callable[[str], Path], environment: Callable[[str], Environment], tmp_path: Path) -> None:
    made = environment("whole")
    made.pip_install("torch==2.13.0", str(artifact("yoloqat")))
    found = call(made, tmp_path, "doctor")
    assert "packages: yoloqat 0" in found
    assert f"ok       engine: {made.python}" in found
    call(made, tmp_path, "shapes", "--train-images", "4", "--val-images", "2")
    assert "succeeded" in call(made, tmp_path, "ls")
