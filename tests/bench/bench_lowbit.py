"""Measure how much of a W4A4 loss fine-tuning recovers: `python -m pytest tests/bench/bench_lowbit.py -m bench -s`.

Draws shapes, trains the demo's network for 100 epochs, quantizes it to four bits, and fine-tunes it by each recipe for
the same 228 steps of 16 images, with three seeds. Takes an hour on one core. `YOLOQAT_BENCH_TOY=DIR` keeps the data and
the float model in DIR for reuse, `YOLOQAT_BENCH_SEEDS=0` uses one seed. Prints the figures for `docs/benchmarks.md`.
"""

import os
import statistics
from pathlib import Path

import pytest
import yaml

from tests.engine.stages.toy import Done, run_stage

LOWBIT = ("--hyp", "hyp.qat-lowbit.yaml")
RECIPES: dict[str, tuple[object, ...]] = {
    "NVIDIA's schedule": ("--preset", "nvidia"),
    "NVIDIA's schedule, 100 times its rate": ("--preset", "nvidia", "--lr0", 1e-4),
    "ours": (*LOWBIT, "--ema", 0),
    "ours, LSQ": (*LOWBIT, "--ema", 0, "--lsq"),
    "ours, EMA": LOWBIT,
    "ours, EMA and LSQ": (*LOWBIT, "--lsq"),
}
COMMON = ("--device", "cpu", "--workers", 0)
SEEDS = os.environ.get("YOLOQAT_BENCH_SEEDS", "0 1 2").split()


def run_checked_stage(name: str, folder: Path, *options: object) -> Done:
    """Run a stage that must succeed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = run_stage(name, folder, *options, timeout=7200)
    assert done.code == 0, done.log
    return done


def score(done: Done, label: str) -> float:
    """Return the mAP@.5:.95 of the evaluation with this label."""
    (value,) = [e.metrics["mAP@.5:.95"] for e in done.result.evaluations if e.label == label]
    return value


def toy(folder: Path) -> tuple[Path, Path]:
    """Create a float model, and a data set whose 1000 evaluation images the model was not selected on."""
    drawn, unseen, trained = (folder / name for name in ("drawn", "unseen", "float"))
    weights = trained / "weights" / "best.pt"
    if not weights.is_file():
        sizes = ("--image-size", 128)
        run_checked_stage("shapes", drawn, "--train-images", 600, "--val-images", 200, *sizes)
        run_checked_stage("shapes", unseen, "--train-images", 1, "--val-images", 1000, "--seed", 77, *sizes)
        network = ("--cfg", "yolov7-tiny", "--width", 0.25, "--act", "relu", "--hyp", "hyp.shapes.yaml")
        training = ("--epochs", 100, "--batch-size", 16, "--img-size", 128, 128, "--letterbox", "square")
        run_checked_stage("retrain", trained, "--data", drawn / "data/shapes.yaml", *network, *training, *COMMON)
    plain = yaml.safe_load((drawn / "data/shapes.yaml").read_text())
    data = folder / "data.yaml"
    images = {"train": str(drawn / "data/images/train"), "val": str(unseen / "data/images/val")}
    data.write_text(yaml.safe_dump({**images, "nc": plain["nc"], "names": plain["names"]}))
    return weights, data


@pytest.mark.bench
def test_share_of_the_loss_that_is_recovered(tmp_path: Path) -> None:
    weights, data = toy(Path(os.environ.get("YOLOQAT_BENCH_TOY", tmp_path)))
    common = ("--data", data, "--img-size", 128, *COMMON)
    four = ("--bits", 4, "--weight-bits", 4, "--batch-size", 32)
    calibrated = run_checked_stage("ptq", tmp_path / "ptq", "--weights", weights, *common, *four)
    best, worst = score(calibrated, "float"), score(calibrated, "PTQ")
    print(f"\nfloat {best:.3f}, PTQ W4A4 {worst:.3f}")
    start = ("--weights", tmp_path / "ptq/weights/ptq.pt", *common, "--batch-size", 16, "--epochs", 6)
    for name, recipe in RECIPES.items():
        values = []
        for seed in SEEDS:
            folder = tmp_path / f"{name.replace(' ', '-')}-{seed}"
            values.append(score(run_checked_stage("qat", folder, *start, *recipe, "--seed", seed), "QAT"))
        share = (statistics.mean(values) - worst) / (best - worst)
        print(f"  {name:<40} {', '.join(f'{value:.3f}' for value in values)}: {share:.1%} recovered", flush=True)
