"""Versions of Python and of the packages that decide a result, in the environment that a command runs in."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PACKAGES = (
    "yoloqat",
    "torch",
    "torchvision",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "pillow",
    "albumentations",
    "pycocotools",
    "ultralytics",
    "timm",
    "pytorch-quantization",
    "nvidia-modelopt",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
)
_SECONDS = 5.0
_PYTHON = re.compile(r"python[\d.]*")
_ASK = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.path]))"


class Versions(NamedTuple):
    """What an interpreter has."""

    python: str = ""
    interpreter: str = ""
    packages: dict[str, str] = {}


def versions(argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Versions:
    """Look at the interpreter of a command: Python itself, or what the script says that it is run by.

    Of anything else, a shell script, it is the `python` of its PATH. Nothing is imported, neither here nor there.
    """
    interpreter = interpreter_of(argv, cwd, environment)
    if interpreter is None:
        return Versions()
    if os.path.abspath(interpreter) == os.path.abspath(sys.executable):
        return Versions(platform.python_version(), interpreter, package_versions())
    try:
        done = subprocess.run(
            [interpreter, "-E", "-c", _ASK],  # no sitecustomize of the user's is run for this
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",  # what lies in the user's folder is no package
            env=dict(environment),
            timeout=_SECONDS,
            check=True,
        )
        python, path = json.loads(done.stdout.splitlines()[-1])
        users = environment.get("PYTHONPATH", "").split(os.pathsep)
        return Versions(str(python), interpreter, package_versions([entry for entry in (*users, *path) if entry]))
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return Versions(interpreter=interpreter)


def interpreter_of(argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> str | None:
    """Return the path of the Python that a command runs, as far as that can be told; None without any."""
    search = environment.get("PATH")
    program = argv[0] if argv else ""
    program_path = str(cwd / program) if os.sep in program else shutil.which(program, path=search)
    if program_path is not None and _PYTHON.fullmatch(os.path.basename(program)):
        return program_path
    named = _shebang(program_path) if program_path is not None else []
    if named and _PYTHON.fullmatch(os.path.basename(named[-1])):
        return named[-1] if os.sep in named[-1] else shutil.which(named[-1], path=search)
    return shutil.which("python", path=search) or shutil.which("python3", path=search)


def _shebang(program: str) -> list[str]:
    """Return the words of `#!/usr/bin/env python3`, without options; none where the file has no such line."""
    try:
        with open(program, "rb") as file:
            line = file.readline(512)
    except OSError:
        return []
    shebang_argv = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    return [word for word in shebang_argv if not word.startswith("-")]


def package_versions(path: list[str] | None = None) -> dict[str, str]:
    """Return versions of the packages that decide a result, read from their metadata without importing them.

    Args:
        path: the `sys.path` of another interpreter.
    """
    found = {}
    for name in PACKAGES:
        distribution = next(iter(metadata.Distribution.discover(name=name, path=path or sys.path)), None)
        version = distribution.metadata["Version"] if distribution is not None else None
        if version:
            found[name] = version
    return found
