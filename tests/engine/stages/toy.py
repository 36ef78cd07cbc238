"""Ways to run a stage as the runner does, and the options that the small trainings share."""

import contextlib
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import torch

from engine.contracts.events import parse
from engine.contracts.facts import EpochRow, Fact, ValidationRow
from engine.contracts.result import StageResult
from engine.logs.parser import LogParser
from engine.stages.cli import main
from tests.conftest import REPOSITORY
from tests.in_process import Streams, run_in_process
from tests.made_once import made_once

SIZE = 64
TRAIN_IMAGES = 96
VAL_IMAGES = 24
CALIBRATION_IMAGES = 24
EPOCHS = 12
HYP = {
    "nominal_batch": 8,
    "lr0": 0.005,
    "momentum": 0.9,
    "warmup_epochs": 0.0,
    "warmup_min_iterations": 0,
    "ema_decay": 0.9,
    "ema_ramp": 20,
    "obj": 30.0,
    "mosaic": 0.0,
    "translate": 0.0,
    "scale": 0.0,
}
"""What differs from `hyp.shapes.yaml`, to learn something in a hundred steps of Adam."""
TRAINING: Mapping[str, object] = {
    "--cfg": "yolov7-tiny",
    "--act": "relu",
    "--width": 0.25,
    "--adam": True,
    "--epochs": EPOCHS,
    "--batch-size": 8,
    "--img-size": SIZE,
    "--letterbox": "square",
    "--workers": 0,
    "--device": "cpu",
}
"""A narrow YOLOv7-tiny that learns for some seconds: a mAP that is worth comparing, and smooth activations."""


@dataclass(frozen=True)
class Done:
    """A stage that has ended."""

    code: int
    log: str
    """As it was written: a redrawn bar is a line with carriage returns."""
    folder: Path

    @property
    def result(self) -> StageResult:
        result = StageResult.read(self.folder / "result.json")
        assert result is not None, self.log
        return result

    @property
    def facts(self) -> list[Fact]:
        """What the run manager reads in the log."""
        parser = LogParser()
        return [*parser.feed(self.log.encode()), *parser.finish()]

    def events(self, name: str) -> list[dict[str, object]]:
        return events_of(self.log, name)


def arguments(options: Mapping[str, object]) -> list[object]:
    """As typed; an option that is True is a flag without a value."""
    return [part for name, value in options.items() for part in ((name,) if value is True else (name, value))]


def command(name: str, folder: Path, *given: object) -> list[str]:
    return [sys.executable, "-P", "-m", "engine", name, "--run-dir", str(folder), *map(str, given)]


def environment(**more: str) -> dict[str, str]:
    """One thread, no GPU: the same numbers at every start."""
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "",
        **more,
    }


def run_stage(name: str, folder: Path, *given: object, **env: str) -> Done:
    """Run a stage to its end, both streams into one log, in this process: torch takes seconds to import."""
    with Streams(together=True) as streams:
        code = _call(name, folder, given, env)
    return Done(code, streams.out, folder)


def stage_once(factory: pytest.TempPathFactory, folder: str, name: str, *given: object, **env: str) -> Done:
    """Run a stage to its end for all workers of this test run."""

    def run(parent: Path) -> Done:
        done = run_stage(name, parent / "run", *given, **env)
        assert done.code == 0, done.log
        return done

    return made_once(factory, folder, run)


def refusal(name: str, folder: Path, *given: object, **env: str) -> str:
    """Run a stage that must refuse its input; the message that ends its stderr."""
    with Streams() as streams:
        code = _call(name, folder, given, env)
    assert code == 2, streams.out + streams.err
    assert not (folder / "result.json").exists()
    lines = streams.err.splitlines()
    first = max(number for number, line in enumerate(lines) if not line.startswith(" "))
    return "\n".join(lines[first:])


def _call(name: str, folder: Path, given: Sequence[object], env: Mapping[str, str]) -> int:
    """The exit code of a stage that is run as a process of its own would be: in its directory, one thread, no GPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (
            mock.patch.dict(os.environ, environment(**env), clear=True),
            mock.patch("torch.cuda.is_available", return_value=False),
            contextlib.chdir(folder.parent),
        ):
            return run_in_process(main, command(name, folder, *given)[4:])
    finally:
        torch.set_num_threads(before)
        gc.unfreeze()  # `main` freezes what a process that ends needn't look at


def events_of(log: str, name: str) -> list[dict[str, object]]:
    found = [event for line in log.splitlines() if (event := parse(line)) is not None]
    return [event for event in found if event["event"] == name]


def epochs_of(facts: list[Fact]) -> list[tuple[EpochRow, ValidationRow]]:
    """Each epoch's training row with the `all` row of its validation."""
    rows = [fact for fact in facts if isinstance(fact, EpochRow)]
    alls = {f.epoch: f for f in facts if isinstance(f, ValidationRow) and f.class_name == "all" and f.epoch is not None}
    return [(row, alls[row.epoch]) for row in rows]
