"""How good the sensitivity by the head's output is: `python -m pytest tests/bench/bench_sensitivity.py -m bench -s`.

On the network of `bench_lowbit.py` at four bits: both rankings of `sensitivity`, how long they take, and the mAP of the
network with the first 5, 10 and 20 convolutions of each left float, on 1000 images that neither ranking saw.
`YOLOQAT_BENCH_TOY=DIR` keeps data and float model there. Prints the figures of `docs/benchmarks.md`.
"""

import os
import random
import statistics
import time
from pathlib import Path

import pytest

from tests.bench.bench_lowbit import COMMON, score, stage, toy


@pytest.mark.bench
def test_what_the_first_ones_of_each_ranking_are_worth(tmp_path: Path) -> None:
    folder = Path(os.environ.get("YOLOQAT_BENCH_TOY", tmp_path))
    weights, unseen = toy(folder)
    drawn = folder / "drawn/data/shapes.yaml"
    size = ("--img-size", 128, *COMMON)
    four = ("--bits", 4, "--weight-bits", 4, "--batch-size", 32)
    calibrated = stage("ptq", tmp_path / "ptq", "--weights", weights, "--data", unseen, *size, *four)
    print(f"\nfloat {score(calibrated, 'float'):.3f}, PTQ W4A4 {score(calibrated, 'PTQ'):.3f}")
    rankings: dict[str, list[str]] = {}
    for method in ("output", "map"):
        began = time.monotonic()
        # No budget: the plan is not what is measured here.
        options = ("--method", method, "--error-share", 1, "--data", drawn, *size, "--batch-size", 32)
        done = stage("sensitivity", tmp_path / method, "--weights", tmp_path / "ptq/weights/ptq.pt", *options)
        rows = done.result.details["sensitivity"]
        rankings[method] = [row["name"] for row in rows]  # type: ignore[attr-defined]
        print(f"  {method}: {len(rankings[method])} convolutions, stage {time.monotonic() - began:.1f} s")
    shuffled = {f"random {seed}": random.Random(seed).sample(rankings["map"], 54) for seed in range(3)}
    for count in (5, 10, 20):
        found = {}
        for name, ranking in {**rankings, **shuffled}.items():
            policy = tmp_path / f"{name}-{count}.txt"
            policy.write_text("".join(f"{layer}\n" for layer in ranking[:count]).replace(".", r"\."))
            run = tmp_path / f"ptq-{name}-{count}"
            options = ("--data", unseen, *size, *four, "--keep-float", f"@{policy}")
            found[name] = score(stage("ptq", run, "--weights", weights, *options), "PTQ")
        chance = statistics.mean(found[name] for name in shuffled)
        print(
            f"  first {count:2}: output {found['output']:.3f}, map {found['map']:.3f}, random {chance:.3f}", flush=True
        )
