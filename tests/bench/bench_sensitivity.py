"""Compare the two sensitivity rankings: `python -m pytest tests/bench/bench_sensitivity.py -m bench -s`.

Uses the network of `bench_lowbit.py` at four bits: how long both rankings of `sensitivity` take, and the mAP with the
first 5, 10 and 20 convolutions of each kept float, on 1000 images that neither ranking used. `YOLOQAT_BENCH_TOY=DIR`
keeps data and float model in DIR. Prints the figures for `docs/benchmarks.md`.
"""

import os
import random
import statistics
import time
from pathlib import Path

import pytest

from tests.bench.bench_lowbit import COMMON, run_checked_stage, score, toy


@pytest.mark.bench
def test_what_the_first_ones_of_each_ranking_are_worth(tmp_path: Path) -> None:
    folder = Path(os.environ.get("YOLOQAT_BENCH_TOY", tmp_path))
    weights, unseen = toy(folder)
    drawn = folder / "drawn/data/shapes.yaml"
    size = ("--img-size", 128, *COMMON)
    four = ("--bits", 4, "--weight-bits", 4, "--batch-size", 32)
    calibrated = run_checked_stage("ptq", tmp_path / "ptq", "--weights", weights, "--data", unseen, *size, *four)
    print(f"\nfloat {score(calibrated, 'float'):.3f}, PTQ W4A4 {score(calibrated, 'PTQ'):.3f}")
    rankings: dict[str, list[str]] = {}
    for method in ("output", "map"):
        start = time.monotonic()
        # Without a budget: only the rankings are measured, not the plan.
        options = ("--method", method, "--error-share", 1, "--data", drawn, *size, "--batch-size", 32)
        done = run_checked_stage(
            "sensitivity", tmp_path / method, "--weights", tmp_path / "ptq/weights/ptq.pt", *options
        )
        rows = done.result.details["sensitivity"]
        rankings[method] = [row["name"] for row in rows]  # type: ignore[attr-defined]
        print(f"  {method}: {len(rankings[method])} convolutions, stage {time.monotonic() - start:.1f} s")
    shuffled = {f"random {seed}": random.Random(seed).sample(rankings["map"], 54) for seed in range(3)}
    for count in (5, 10, 20):
        scores = {}
        for name, ranking in {**rankings, **shuffled}.items():
            policy = tmp_path / f"{name}-{count}.txt"
            policy.write_text("".join(f"{layer}\n" for layer in ranking[:count]).replace(".", r"\."))
            run = tmp_path / f"ptq-{name}-{count}"
            options = ("--data", unseen, *size, *four, "--keep-float", f"@{policy}")
            scores[name] = score(run_checked_stage("ptq", run, "--weights", weights, *options), "PTQ")
        chance = statistics.mean(scores[name] for name in shuffled)
        print(
            f"  first {count:2}: output {scores['output']:.3f}, map {scores['map']:.3f}, random {chance:.3f}",
            flush=True,
        )
