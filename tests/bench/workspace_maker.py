"""Make a workspace of many ended runs for a benchmark; the same seed gives the same workspace.

`python tests/bench/workspace_maker.py DIR --runs 1000 --epochs 300` makes one by hand. The runs are YOLOv7 trainings,
launched or imported, alone or in pipelines of three, with names, tags and notes. Their logs are real text for the
indexer to read.
"""

import argparse
import json
import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.files.json_records import write_json

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
BETWEEN = timedelta(minutes=37)
GROUP = 3
"""Runs per pipeline."""
_HEADER = ("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
_CLASSES = ("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")
_TAGS = ("relu", "silu", "paper", "wide", "baseline", "640")
_ENDS = ((0, ""), (0, ""), (0, ""), (1, "exit code 1"), (3, "exit code 3"))


def make_workspace(path: Path, runs: int, epochs: int, seed: int = 0) -> Workspace:
    """Write the run folders, without an index."""
    draw = random.Random(seed)
    workspace = Workspace(path)
    for number in range(runs):
        make_run(workspace, number, epochs, draw)
    return workspace


def make_run(workspace: Workspace, number: int, epochs: int, draw: random.Random) -> RunFolder:
    """Write the folder of one ended run."""
    created = FIRST + BETWEEN * number
    folder = workspace.run(f"{created:%Y%m%d-%H%M%S}-{number:04d}")
    attempt = folder.attempt(1)
    attempt.path.mkdir(parents=True)
    done = epochs if draw.random() < 0.8 else draw.randint(1, epochs)
    attempt.console.write_text("\n".join(log_lines(done, epochs, draw)) + "\n", encoding="utf-8")
    group = f"pipeline-{number // GROUP}" if number % 10 < GROUP else None
    launched = draw.random() < 0.5
    spec = RunSpec(
        id=folder.id,
        name=f"yolov7-tiny-{draw.choice(_TAGS)}-{number}",
        stage=COMMAND,
        command=["python", "train.py", "--epochs", str(epochs)],
        options={"epochs": epochs, "batch_size": draw.choice((16, 32, 64)), "lr0": draw.choice((0.01, 0.001))},
        group=group,
        pipeline=group and "relu-int8",
        source="launched" if launched else "imported",
        imported_from=None if launched else f"/data/runs/train/exp{number}/train.log",
        created_at=created,
    )
    spec.write(folder.spec)
    if draw.random() < 0.3:
        user = {"tags": draw.sample(_TAGS, 2), "notes": "second try" if draw.random() < 0.5 else ""}
        folder.user.write_text(json.dumps(user), encoding="utf-8")
    if launched:
        code, reason = draw.choice(_ENDS) if done == epochs else _ENDS[-1]
        seconds = done * 40.0
        outcome = Outcome(
            kind=OutcomeKind.EXITED,
            exit_code=code,
            reason=reason,
            started_at=created,
            ended_at=created + timedelta(seconds=seconds),
            seconds=seconds,
        )
        write_json(str(attempt.outcome), outcome.model_dump(mode="json"), durable=False)
    return folder


def log_lines(done: int, epochs: int, draw: random.Random) -> Iterator[str]:
    """Yield YOLOv7's output, each progress bar in its last state."""
    yield "YOLOR v0.1-126-g84932d7 torch 1.12.1 CUDA:0 (Tesla T4, 14910MB)"
    yield f"Starting training for {epochs} epochs..."
    best, speed = draw.uniform(0.2, 0.55), draw.uniform(0.5, 3.0) * 4 / epochs
    for epoch in range(done):
        grown = 1 - math.exp(-speed * (epoch + 1))
        losses = [0.12 - 0.09 * grown, 0.03 - 0.015 * grown, 0.04 - 0.03 * grown]
        numbers = (*losses, sum(losses), draw.randint(80, 160), 640)
        bar = "100%|##########| 1849/1849 [00:38<00:00, 48.21it/s]"
        yield f"\n{_HEADER}"
        yield ("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/{epochs - 1}", "7.5G", *numbers) + f": {bar}"
        yield f"{_CLASSES}: 100%|##########| 79/79 [00:04<00:00, 16.5it/s]"
        precise = best * grown + draw.uniform(-0.004, 0.004)
        rates = (min(precise * 1.5, 0.9), min(precise * 1.3, 0.85), min(precise * 1.6, 0.95), max(precise, 0.0))
        yield ("%20s" + "%12i" * 2 + "%12.3g" * 4) % ("all", 5000, 36335, *rates)
    if done == epochs:
        yield f"{epochs} epochs completed in {epochs * 40 / 3600:.3f} hours."


def main() -> int:
    """Make a workspace by hand."""
    parser = argparse.ArgumentParser(description="Make a workspace for benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_workspace(arguments.folder, arguments.runs, arguments.epochs, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
