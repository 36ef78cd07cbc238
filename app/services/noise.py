"""Is a drop more than the choice of the images? Intervals of differences, resampled once and kept in the workspace.

What was right in each image lies beside `result.json`; the resampling runs in a process of its own, which loads numpy.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.services.comparable import MAIN_METRIC
from app.services.compare import FINAL, Cell, Comparison, Row
from app.services.lineage import ChainStep, Interval, Measured
from engine.contracts.result import StageResult
from engine.contracts.run_folder import Workspace

Pair = tuple[Measured, Measured]
"""The reference, and what is measured against it."""


Noise = Mapping[Pair, Mapping[str, Interval]]
"""By metric: `mAP@.5`, `mAP@.5:.95`."""


def wanted(comparison: Comparison, chain: Sequence[ChainStep]) -> set[Pair]:
    """The differences that are shown: each run's to the baseline, each step's to its parent and to float."""
    pairs = set(_compared(comparison).values())
    for step in chain:
        pairs |= {
            (other, step.measured) for other in (step.parent_measured, step.float_measured) if other and step.measured
        }
    return {(reference, own) for reference, own in pairs if reference != own}


def intervals(
    workspace: Workspace,
    pairs: Collection[Pair],
    *,
    resample: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Noise:
    """The intervals of these differences, as far as their evaluations told what was right in each image.

    Args:
        pairs: what is shown.
        resample: False takes only what is known already, which is fast; 200 images take 2 s, COCO's 5000 a minute.
        cancelled: asked ten times a second; True ends the resampling.
    """
    files = {measured: _matches(workspace, measured) for pair in pairs for measured in pair}
    known: dict[Pair, Mapping[str, Interval]] = {}
    missing: dict[Measured, list[Pair]] = {}
    for pair in pairs:
        reference, own = files[pair[0]], files[pair[1]]
        if reference is None or own is None:
            continue
        found = _read(_place(workspace, reference, own))
        if found is not None:
            known[pair] = found
        elif resample:
            missing.setdefault(pair[0], []).append(pair)
    for first, group in missing.items():
        paths = [path for path in (files[first], *(files[own] for _, own in group)) if path is not None]
        for pair, values in zip(group, _resample(paths, cancelled), strict=False):
            _write(_place(workspace, paths[0], paths[1 + group.index(pair)]), values)
            known[pair] = _parse(values)
    return known


def unknown(workspace: Workspace, pairs: Collection[Pair]) -> int:
    """How many of these differences would have to be resampled."""
    able = [pair for pair in pairs if all(_matches(workspace, measured) is not None for measured in pair)]
    return len(able) - len(intervals(workspace, able, resample=False))


def with_noise(comparison: Comparison, chain: Sequence[ChainStep], noise: Noise) -> tuple[Comparison, list[ChainStep]]:
    """The same with the intervals beside the differences."""
    compared = _compared(comparison)
    by_run = {index: noise.get(pair, {}) for index, pair in compared.items()}
    rows = tuple(_noisy_row(row, by_run) if row.section == FINAL else row for row in comparison.metrics)
    return replace(comparison, metrics=rows), [_noisy_step(step, noise) for step in chain]


def _compared(comparison: Comparison) -> dict[int, Pair]:
    base = next(i for i, run in enumerate(comparison.runs) if run.id == comparison.baseline)
    reference = comparison.measured[base]
    row = next((row for row in comparison.metrics if row.section == FINAL and row.key == MAIN_METRIC), None)
    if reference is None or row is None:
        return {}
    return {
        index: (reference, own)
        for index, (own, cell) in enumerate(zip(comparison.measured, row.cells, strict=True))
        if own is not None and index != base and cell.comparable
    }


def _noisy_row(row: Row, by_run: Mapping[int, Mapping[str, Interval]]) -> Row:
    def noisy(index: int, cell: Cell) -> Cell:
        interval = by_run.get(index, {}).get(row.key)
        if interval is None or cell.delta is None:
            return cell
        return replace(cell, low=interval.low, high=interval.high, is_noise=interval.is_noise)

    return replace(row, cells=tuple(noisy(index, cell) for index, cell in enumerate(row.cells)))


def _noisy_step(step: ChainStep, noise: Noise) -> ChainStep:
    def of(reference: Measured | None) -> Interval | None:
        if reference is None or step.measured is None:
            return None
        return noise.get((reference, step.measured), {}).get(MAIN_METRIC)

    return replace(step, noise_parent=of(step.parent_measured), noise_float=of(step.float_measured))


def _matches(workspace: Workspace, measured: Measured) -> Path | None:
    """The file of an evaluation, where there is one."""
    folder = workspace.run(measured.run_id)
    result = StageResult.read(folder.result)
    names = [
        evaluation.matches
        for evaluation in (result.evaluations if result else ())
        if evaluation.matches and (evaluation.label, evaluation.weights) == (measured.label, measured.weights)
    ]
    path = folder.path / names[-1] if names and names[-1] else None
    return path if path is not None and path.is_file() else None


def _place(workspace: Workspace, reference: Path, own: Path) -> Path:
    """Named after what the two files hold: an evaluation that is made anew is resampled anew."""
    key = hashlib.sha256()
    for path in (reference, own):
        with path.open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    return workspace.noise / f"{key.hexdigest()[:32]}.json"


def _resample(paths: Sequence[Path], cancelled: Callable[[], bool]) -> list[Mapping[str, Mapping[str, float]]]:
    """All that are measured against the first, in one process; nothing where it cannot be done."""
    command = [sys.executable, "-P", "-m", "engine.evaluate.bootstrap_command", *map(str, paths)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        while True:
            try:
                told, _ = process.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                if cancelled():
                    process.kill()
    return list(json.loads(told)) if process.returncode == 0 else []


def _write(path: Path, values: object) -> None:
    """What cannot be kept (a full disk) is resampled the next time."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(values), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, Interval] | None:
    try:
        return _parse(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _parse(values: Mapping[str, Mapping[str, float]]) -> Mapping[str, Interval]:
    return {metric: Interval(100 * told["low"], 100 * told["high"]) for metric, told in values.items()}
