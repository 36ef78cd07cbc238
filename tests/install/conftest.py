"""Distributions built from a copy of the tree, and environments to install them into."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY

PROJECTS = {"yoloqat": ".", "yoloqat-manager": "distributions/manager"}
ENGINE = ("torch", "cv2", "onnx", "onnxruntime", "pycocotools", "pytorch_quantization", "PIL")
"""What the manager does without."""
SITE = Path(yaml.__file__).parents[1]
"""The installed packages here, which environments without a network borrow."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    path: Path

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    @property
    def site_packages(self) -> Path:
        return next(self.path.glob("lib/python*/site-packages"))

    def pip_install(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", self.python, "install", "-q", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def borrow(self, without: Iterable[str] = ()) -> None:
        """Make the packages here importable, but for some."""
        lent = self.path / "lent"
        lent.mkdir()
        for entry in SITE.iterdir():
            if entry.name.split("-")[0] not in {*without, "yoloqat", "__pycache__"} and entry.suffix != ".pth":
                (lent / entry.name).symlink_to(entry)
        (self.site_packages / "lent.pth").write_text(f"{lent}\n")


def copy_tree(target: Path) -> Path:
    """What is to be built, without what earlier builds have left."""
    ignore = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info")
    for name in ("app", "configs", "db", "engine", "distributions"):
        shutil.copytree(REPOSITORY / name, target / name, symlinks=True, ignore=ignore)
    for name in ("LICENSE", "README.md", "pyproject.toml", "setup.py", "yoloqat.py"):
        shutil.copy(REPOSITORY / name, target)
    return target


def build_wheel(project: str, target: Path) -> Path:
    """Build without a network, by the setuptools that is installed here."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "-w", str(target), project], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def wheels(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each distribution, by its name."""
    return {name: build_wheel(str(tree / project), tmp_path_factory.mktemp(name)) for name, project in PROJECTS.items()}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """Makes an environment without any package."""

    def make(name: str) -> Environment:
        path = tmp_path_factory.mktemp(name)
        venv.create(path, symlinks=True)
        return Environment(path)

    return make


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with modules and packages that are called like ours."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in ("engine", "db"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('the wrong {name} was imported')\n")
    (folder / "app" / "cli").mkdir(parents=True)
    (folder / "app" / "__init__.py").write_text("raise SystemExit('the wrong app was imported')\n")
    (folder / "configs").mkdir()
    return folder
