"""Compute intervals of differences over the choice of images, and cache them in the workspace.

What was right in each image lies beside `result.json`; the resampling runs in a process of its own, which loads numpy.
"""

import contextlib
import hashlib
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.comparing.comparison import FINAL, Cell, Comparison, Row
from app.comparing.evaluation_settings import MAIN_METRIC
from app.comparing.lineage import ChainStep, Measured
from engine.contracts.paired_bootstrap import Interval, Resampling, paired_intervals
from engine.contracts.result import StageResult
from engine.contracts.run_folder import Workspace
from engine.files.atomic import write_text
from engine.files.programs import module_command
from engine.files.safe_open import open_regular, read_regular

Pair = tuple[Measured, Measured]
"""The reference evaluation and the one compared with it."""


Noise = Mapping[Pair, Mapping[str, Interval]]
"""Intervals by metric: `mAP@.5`, `mAP@.5:.95`."""


def compared_pairs(comparison: Comparison | None, chain: Sequence[ChainStep]) -> set[Pair]:
    """Return the displayed differences: of each run to the baseline, of each step to its parent and to float."""
    pairs = set(_compared(comparison).values()) if comparison is not None else set()
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
    """Return the intervals of these differences, for evaluations that recorded their matches per image.

    Args:
        pairs: what is shown.
        resample: False takes only what is known already, which is fast; 200 images take 1 s, COCO's 5000 half a minute.
        cancelled: asked ten times a second; True ends the resampling.
    """
    files = _files(workspace, pairs)
    stored = {path: _read(_place(workspace, path)) for path in files.values()}
    if resample:
        stored |= _resample(workspace, [path for path, interval in stored.items() if interval is None], cancelled)
    noise = {}
    for reference, own in pairs:
        one, other = (stored.get(files[measured]) if measured in files else None for measured in (reference, own))
        if one is not None and other is not None:
            noise[reference, own] = paired_intervals(one, other)
    return noise


def count_unsampled(workspace: Workspace, pairs: Collection[Pair]) -> int:
    """Count the evaluations that lack resampling for these differences."""
    return sum(_read(_place(workspace, path)) is None for path in set(_files(workspace, pairs).values()))


def announcement(missing: int) -> str:
    """Return the message before resampling that many evaluations."""
    what = "1 evaluation" if missing == 1 else f"{missing} evaluations"
    return f"resampling the images of {what}, once, to tell what is noise"


def with_noise(comparison: Comparison, chain: Sequence[ChainStep], noise: Noise) -> tuple[Comparison, list[ChainStep]]:
    """Add the intervals to the comparison and the chain."""
    compared = _compared(comparison)
    by_run = {index: noise.get(pair, {}) for index, pair in compared.items()}
    rows = tuple(_noisy_row(row, by_run) if row.section == FINAL else row for row in comparison.metrics)
    return replace(comparison, metrics=rows), [_noisy_step(step, noise) for step in chain]


def chain_with_noise(workspace: Workspace, chain: Sequence[ChainStep]) -> list[ChainStep]:
    """Add intervals to a chain; resamples missing ones."""
    noise = intervals(workspace, compared_pairs(None, chain))
    return [_noisy_step(step, noise) for step in chain]


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
    """Return the matches file of an evaluation; None if it is missing."""
    folder = workspace.run(measured.run_id)
    result = StageResult.read(folder.result)
    names = [
        evaluation.matches
        for evaluation in (result.evaluations if result else ())
        if evaluation.matches and (evaluation.label, evaluation.weights) == (measured.label, measured.weights)
    ]
    path = folder.path / names[-1] if names and names[-1] else None
    return path if path is not None and path.is_file() else None


def _files(workspace: Workspace, pairs: Collection[Pair]) -> dict[Measured, Path]:
    """Return evaluation → matches file, for pairs in which both have one."""
    files = {measured: _matches(workspace, measured) for measured in {one for pair in pairs for one in pair}}
    paired = {one for pair in pairs if all(files[one] for one in pair) for one in pair}
    return {measured: path for measured, path in files.items() if path is not None and measured in paired}


def _place(workspace: Workspace, matches: Path) -> Path:
    """Return the cache path, named by the hash of the file so that a new evaluation is resampled."""
    try:
        with open_regular(matches) as file:
            key = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        key = "unreadable"
    return workspace.noise / f"{key[:32]}.json"


def _resample(
    workspace: Workspace, paths: Sequence[Path], cancelled: Callable[[], bool]
) -> dict[Path, Resampling | None]:
    """Resample evaluations in this process; skip unreadable ones."""
    if not paths:
        return {}
    command = module_command("engine.evaluate.bootstrap_command", *map(str, paths))
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        while True:
            try:
                resampler_output, _ = process.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                if cancelled():
                    process.kill()
    if process.returncode < 0:  # killed: the last line may be half of one
        resampler_output = resampler_output[: resampler_output.rfind("\n") + 1]
    resampled: dict[Path, Resampling | None] = {}
    for path, line in zip(paths, resampler_output.splitlines(), strict=False):
        resampled[path] = Resampling.from_json(line)
        _write(_place(workspace, path), line)
    left = paths[len(resampled) :]
    if not left or process.returncode <= 0:
        return resampled
    # The first of these cannot be resampled. That is kept, too, or it would be tried at every look.
    nothing = Resampling(of="", maps={})
    _write(_place(workspace, left[0]), nothing.to_json())
    return resampled | {left[0]: nothing} | _resample(workspace, left[1:], cancelled)


def _write(path: Path, text: str) -> None:
    """Write a cache file; after a failure (a full disk) it is resampled the next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)


def _read(path: Path) -> Resampling | None:
    try:
        return Resampling.from_json(read_regular(path))
    except (OSError, ValueError):
        return None
