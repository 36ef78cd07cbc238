"""Whether a difference in mAP is noise: resampled evaluations equal evaluations of the resampled images."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.contracts.errors import YoloqatError
from engine.contracts.paired_bootstrap import Interval, Resampling, paired_intervals
from engine.evaluate.bootstrap import draw_image_counts, resample, resampled_maps
from engine.evaluate.bootstrap_command import main
from engine.evaluate.matches import Matches
from engine.evaluate.metrics import ap_per_class
from tests.engine.evaluate.simulated import evaluated, mean_ap


def literally(matches: Matches, drawing: np.ndarray) -> tuple[float, float]:
    """mAP of the drawn images put one after the other."""
    order = np.repeat(np.arange(len(drawing)), drawing)
    mine = [np.flatnonzero(matches.detection_images == image) for image in order]
    theirs = [np.flatnonzero(matches.label_images == image) for image in order]
    detections, labels = np.concatenate(mine), np.concatenate(theirs)
    found = ap_per_class(
        matches.correct[detections],
        matches.scores[detections],
        matches.classes[detections],
        matches.labels[labels],
        v5_metric=matches.ap == "yolov5",
    )
    return found.ap[:, 0].mean(), found.ap.mean()


@pytest.mark.parametrize("ap", ["yolov7", "yolov5"])
def test_a_drawing_is_the_evaluation_of_its_images(ap: str) -> None:
    matches = evaluated(0.75, ap=ap)
    count = len(matches.images)
    drawings = np.concatenate([np.ones((1, count), int), draw_image_counts(count, 20)])
    expected = [literally(matches, drawing) for drawing in drawings]
    np.testing.assert_allclose(resampled_maps(matches, drawings), expected, rtol=1e-9)


def test_classes_without_labels_in_a_drawing_do_not_count() -> None:
    matches = evaluated(0.75, images=6)
    drawing = np.zeros((2, 6), int)
    drawing[0, matches.label_images[0]] = 3
    found = resampled_maps(matches, drawing)
    assert found[0] == pytest.approx(literally(matches, drawing[0]))
    assert np.isnan(found[1]).all()


def test_a_worse_model_is_told_from_noise() -> None:
    base = resample(evaluated(0.8))
    worse = paired_intervals(base, resample(evaluated(0.6, seed=1)))["mAP@.5:.95"]
    alike = paired_intervals(base, resample(evaluated(0.8, seed=2)))["mAP@.5:.95"]
    assert worse.high < 0
    assert not worse.is_noise
    assert alike.low < 0 < alike.high
    assert alike.is_noise
    assert paired_intervals(base, base)["mAP@.5"] == Interval(0, 0)


def test_the_interval_is_that_of_independent_evaluations() -> None:
    """95 % of the intervals cover what models of these skills differ by on many images."""
    truth = 100 * (mean_ap(evaluated(0.7, images=4000, seed=9)) - mean_ap(evaluated(0.8, images=4000, seed=8)))
    hits = 0
    for seed in range(20):
        pair = [evaluated(0.8, images=60, seed=2 * seed), evaluated(0.7, images=60, seed=2 * seed + 101)]
        interval = paired_intervals(*(resample(one, 200) for one in pair))["mAP@.5:.95"]
        hits += interval.low <= truth <= interval.high
    assert hits >= 16


@pytest.mark.parametrize("other", [{"data": "e" * 64}, {"ap": "yolov5"}, {"images": 39}])
def test_other_images_are_not_paired(other: dict[str, Any]) -> None:
    assert paired_intervals(resample(evaluated(0.8), 10), resample(evaluated(0.8, **other), 10)) == {}


def test_files_are_read_as_written_and_damage_is_told(tmp_path: Path) -> None:
    matches, path = evaluated(0.8), tmp_path / "best_matches.npz"
    matches.save(path)
    again = Matches.load(path)
    for name in ("data", "ap", "images"):
        assert getattr(again, name) == getattr(matches, name)
    for name in ("scores", "classes", "correct", "labels", "detection_images", "label_images"):
        np.testing.assert_array_equal(getattr(again, name), getattr(matches, name))
    whole = path.read_bytes()
    for at in (*range(0, len(whole), 97), len(whole) - 10):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with contextlib.suppress(YoloqatError):  # and nothing else; some bytes are never looked at
                Matches.load(path)
    path.write_bytes(whole[:-200])
    with pytest.raises(YoloqatError, match="cannot read the matches"):
        Matches.load(path)


def test_the_command_prints_json_or_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(tmp_path / f"{i}.npz") for i in range(2)]
    matches = evaluated(0.8)
    matches.save(Path(paths[0]))
    assert main(paths) == 2
    told = capsys.readouterr()
    assert "cannot read the matches" in told.err
    assert Resampling.from_json(told.out) == resample(matches), "what comes before is told"
