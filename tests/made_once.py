"""Fixtures that take a training: made by the first worker of pytest-xdist that needs them, read by the others."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Value = TypeVar("Value")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Value]) -> Value:
    """Return what `make` returns for a folder of this name that all workers of this test run share.

    Args:
        make: called in one worker alone; what it returns is pickled for the others, which wait for it.
    """
    base = factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "made-once"
    shared.mkdir(exist_ok=True)
    pickled = shared / f"{name}.pickle"
    with FileLock(shared / f"{name}.lock"):
        if pickled.is_file():
            value: Value = pickle.loads(pickled.read_bytes())
            return value
        folder = shared / name
        shutil.rmtree(folder, ignore_errors=True)  # what a failed try left
        folder.mkdir()
        value = make(folder)
        pickled.write_bytes(pickle.dumps(value))
        return value
