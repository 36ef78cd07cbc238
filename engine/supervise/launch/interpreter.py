"""The Python that runs our stages: asked before a launch whether it has what they import."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.contracts.errors import YoloqatError
from engine.supervise.launch import interpreter_probe
from engine.supervise.launch.commands import PACKAGE_ROOT, engine_environment

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LEAST_PYTHON = (3, 11)
WITHOUT_ENGINE = (
    "Say which Python has a torch: `engine_python: /path/to/python` in the settings file, or --engine-python. "
    "Or install all of it: pip install yoloqat"
)
_FILES = ("engine/requirements.txt", "engine/contracts/requirements.txt")
_SECONDS = 60.0
"""A conda environment on a cold network file system."""


class _Provided(NamedTuple):
    """How a requirement shows in an interpreter."""

    module: str
    instead: tuple[str, ...] = ()
    """Other distributions that bring the same module; their versions are not judged."""


_PROVIDED = {
    "opencv-python-headless": _Provided(
        "cv2", ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
    ),
    "pillow": _Provided("PIL", ("pillow-simd",)),
    "pyyaml": _Provided("yaml"),
    "pytorch-quantization": _Provided("pytorch_quantization"),
    "setuptools": _Provided("pkg_resources"),
    "onnxruntime": _Provided("onnxruntime", ("onnxruntime-gpu",)),
}
"""By the canonical name of a distribution; a module is called like its distribution where nothing is said."""


@dataclass(frozen=True)
class Interpreter:
    """A Python as it was found."""

    path: str
    python: str
    torch: str | None
    """Version; None where there is none, empty where it does not say."""
    cuda: str
    """What torch was built for; empty for CPUs."""
    mistakes: tuple[str, ...] = ()
    """What keeps our stages from running in it."""
    install: tuple[str, ...] = field(default=())
    """argv that brings what is missing and leaves the torch that is there; empty where pip cannot help."""

    @property
    def advice(self) -> str:
        """What to do about the mistakes."""
        return f"Run: {shlex.join(self.install)}" if self.install else "Choose another Python."


@dataclass(frozen=True)
class EngineChoice:
    """The Python that is to run our stages, and who has chosen it."""

    path: str
    origin: str
    """For messages."""

    @classmethod
    def of(cls, program: str, origin: str) -> "EngineChoice":
        """Return the choice of a program, as `find_python` takes it.

        Raises:
            YoloqatError: there is no such program.
        """
        return cls(find_python(program, origin), origin)

    @classmethod
    def own(cls, origin: str = "nothing else is chosen") -> "EngineChoice":
        """Return the Python that runs this process."""
        return cls(sys.executable, origin)

    def check(self) -> None:
        """Refuse a Python that our stages cannot run in.

        Raises:
            YoloqatError: with the one line that puts it right.
        """
        interpreter = examine_interpreter(self.path)
        if not interpreter.mistakes:
            return
        where = f"{self.path} ({self.origin})"
        if interpreter.torch is None and self.path == sys.executable:
            raise YoloqatError("there is no engine: this Python has no torch", where=where, hint=WITHOUT_ENGINE)
        lacks = "; ".join(interpreter.mistakes)
        raise YoloqatError(f"our stages cannot run in this Python: {lacks}", where=where, hint=interpreter.advice)


def examine_interpreter(path: str) -> Interpreter:
    """Ask a Python what it has.

    Raises:
        YoloqatError: it does not answer as a Python.
    """
    module_queries = [f"{at.module}={','.join([name, *at.instead])}" for name, at in _provided().items()]
    found = interpreter_probe.describe(module_queries) if path == sys.executable else _ask(path, module_queries)
    return _judge(path, found)


def find_python(program: str, origin: str) -> str:
    """Return the absolute path of a Python. Links are kept: that of a virtual environment leads out of it.

    Args:
        program: its path, the folder of its virtual environment, or a name on the PATH.
        origin: who has chosen it, for the message.

    Raises:
        YoloqatError: there is no such program.
    """
    path = os.path.expanduser(program)
    if os.path.isdir(path):
        path = os.path.join(path, "bin", "python")
    found = shutil.which(path)
    if found is None:
        raise YoloqatError(
            "there is no such Python",
            where=f"{program} ({origin})",
            hint="Give the path of its program, as `which python` prints it.",
        )
    return os.path.abspath(found)


def requirements() -> "dict[str, Requirement]":
    """Return what our stages need, by canonical name."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line for name in _FILES for line in (PACKAGE_ROOT / name).read_text(encoding="utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def _provided() -> dict[str, _Provided]:
    return {name: _PROVIDED.get(name, _Provided(name)) for name in requirements()}


def _ask(path: str, asked: list[str]) -> Mapping[str, object]:
    environment = {**os.environ, **engine_environment(os.environ)}  # as the stage will have it
    try:
        done = subprocess.run(
            [path, interpreter_probe.__file__, *asked],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            env={name: value for name, value in environment.items() if name != "PYTHONSAFEPATH"},  # see probe
            timeout=_SECONDS,
            check=False,
        )
        answer: Mapping[str, object] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_python(path, str(error)) from error
    except (ValueError, LookupError) as error:
        raise _no_python(path, (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]) from error
    return answer


def _no_python(path: str, why: str) -> YoloqatError:
    return YoloqatError(
        f"this does not answer as a Python: {why}", where=path, hint="Give the path of a Python 3.11 or later."
    )


def _judge(path: str, found: Mapping[str, object]) -> Interpreter:
    python, modules = str(found["python"]), found["modules"]
    assert isinstance(modules, dict)
    torch, cuda = modules.get("torch"), str(found["cuda"])
    if tuple(int(part) for part in python.split(".")[:2]) < LEAST_PYTHON:
        mistake = f"it is Python {python}, and they need {'.'.join(map(str, LEAST_PYTHON))} or later"
        return Interpreter(path, python, torch, cuda, (mistake,))
    missing, mistakes, wanted = [], [], []
    needed, provided = requirements(), _provided()
    for name, requirement in needed.items():
        version = modules.get(provided[name].module)
        if version is None:
            missing.append(requirement.name)
        elif version and not requirement.specifier.contains(version, prereleases=True) and not provided[name].instead:
            mistakes.append(f"it has {requirement.name} {version}, and they need {requirement.specifier}")
        else:
            continue
        wanted.append(str(requirement))
    if missing:
        mistakes.insert(0, f"it lacks {', '.join(missing)}")
    if not mistakes:
        return Interpreter(path, python, torch, cuda)
    if torch and str(needed["torch"]) not in wanted:
        wanted.insert(0, f"torch=={torch}")  # else pip may take another build in its place
    return Interpreter(path, python, torch, cuda, tuple(mistakes), (path, "-m", "pip", "install", *wanted))
