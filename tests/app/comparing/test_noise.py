"""A difference says whether the choice of the images decides its sign."""

import time
from pathlib import Path

import pytest

from app.comparing.comparison import compare, lineage
from app.comparing.noise_intervals import compared_pairs, count_unsampled, intervals, with_noise
from app.runs.reader import get_detail
from engine.contracts.run_folder import RunFolder, Workspace
from tests.app.comparing.noisy_chain import add_chain
from tests.app.indexing.index_fixtures import workspace

__all__ = ["workspace"]


@pytest.fixture
def chain(workspace: Workspace) -> list[RunFolder]:
    return add_chain(workspace)


def test_a_drop_is_told_from_noise_and_resampled_once(workspace: Workspace, chain: list[RunFolder]) -> None:
    details = [get_detail(workspace, folder.id) for folder in chain]
    comparison, steps = compare(details), lineage(details)
    pairs = compared_pairs(comparison, steps)
    assert len(pairs) == 3, "float → PTQ, float → INT8, PTQ → INT8"
    assert count_unsampled(workspace, pairs) == 3, "evaluations"
    comparison, steps = with_noise(comparison, steps, intervals(workspace, pairs))
    _, ptq, int8 = steps
    assert ptq.noise_float is not None
    assert ptq.noise_float.low < 0 < ptq.noise_float.high
    assert ptq.delta_float_text().endswith("~")
    assert int8.noise_float is not None
    assert int8.noise_float.low < (int8.delta_float or 0) < int8.noise_float.high < -5
    assert not int8.delta_float_text().endswith("~")
    cells = next(row.cells for row in comparison.metrics if row.key == "mAP@.5:.95")
    assert [cell.is_noise for cell in cells] == [False, True, False]
    assert cells[1].low == ptq.noise_float.low
    assert count_unsampled(workspace, pairs) == 0
    began = time.monotonic()
    assert intervals(workspace, pairs)[wanted_float(pairs, ptq)]["mAP@.5:.95"] == ptq.noise_float
    assert time.monotonic() - began < 0.5, "no process is started for what is known"


def wanted_float(pairs, step):  # type: ignore[no-untyped-def]
    return next(pair for pair in pairs if pair == (step.float_measured, step.measured))


def test_evaluations_without_matches_have_no_interval(workspace: Workspace, chain: list[RunFolder]) -> None:
    (chain[1].path / "best_matches.npz").unlink()
    (chain[2].path / "best_matches.npz").write_bytes(b"damaged")
    details = [get_detail(workspace, folder.id) for folder in chain]
    comparison, steps = compare(details), lineage(details)
    pairs = compared_pairs(comparison, steps)
    assert not any(intervals(workspace, pairs).values())
    comparison, steps = with_noise(comparison, steps, {})
    assert not comparison.has_noise
    assert steps[1].delta_float_text()[-1].isdigit()
    assert count_unsampled(workspace, pairs) == 0, "what cannot be read is not tried at every look"


def test_a_damaged_file_takes_no_other_with_it(workspace: Workspace, chain: list[RunFolder]) -> None:
    path = chain[0].path / "best_matches.npz"
    path.write_bytes(path.read_bytes()[:-300] + bytes(300))
    details = [get_detail(workspace, folder.id) for folder in chain]
    steps = lineage(details)
    noise = intervals(workspace, compared_pairs(compare(details), steps))
    assert {own.label for (_, own), found in noise.items() if found} == {"ONNX INT8"}, "PTQ → INT8"


def test_resampling_ends_when_nobody_waits_for_it(workspace: Workspace, chain: list[RunFolder]) -> None:
    details = [get_detail(workspace, folder.id) for folder in chain]
    pairs = compared_pairs(compare(details), lineage(details))
    assert intervals(workspace, pairs, cancelled=lambda: True) == {}
    assert not list(Path(workspace.noise).glob("*"))
