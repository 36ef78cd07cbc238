"""Whether a difference in mAP is noise: resampled evaluations equal evaluations of the resampled images."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.contracts.errors import YoloqatError
from engine.evaluate.bootstrap import maps_of_drawings, paired_bootstrap
from engine.evaluate.bootstrap_command import main
from engine.evaluate.matches import Matches
from engine.evaluate.metrics import ap_per_class
from tests.engine.evaluate.simulated import evaluated


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
    generator = np.random.default_rng(3)
    count = len(matches.images)
    drawings = np.stack([np.ones(count, int), *generator.multinomial(count, np.full(count, 1 / count), size=20)])
    expected = [literally(matches, drawing) for drawing in drawings]
    np.testing.assert_allclose(maps_of_drawings(matches, drawings), expected, rtol=1e-9)


def test_classes_without_labels_in_a_drawing_do_not_count() -> None:
    matches = evaluated(0.75, images=6)
    drawing = np.zeros((2, 6), int)
    drawing[0, matches.label_images[0]] = 3
    found = maps_of_drawings(matches, drawing)
    assert found[0] == pytest.approx(literally(matches, drawing[0]))
    assert np.isnan(found[1]).all()


def test_a_worse_model_is_told_from_noise() -> None:
    base = evaluated(0.8)
    worse, alike, same = paired_bootstrap(base, [evaluated(0.6, seed=1), evaluated(0.8, seed=2), base])
    assert worse["mAP@.5:.95"].high < 0
    assert not worse["mAP@.5:.95"].is_noise
    assert alike["mAP@.5:.95"].low < 0 < alike["mAP@.5:.95"].high
    assert alike["mAP@.5:.95"].is_noise
    assert (same["mAP@.5"].difference, same["mAP@.5"].low, same["mAP@.5"].high) == (0, 0, 0)


def test_the_interval_is_that_of_independent_evaluations() -> None:
    """95 % of the intervals cover what models of these skills differ by on many images."""
    many = [evaluated(skill, images=4000, seed=seed) for skill, seed in ((0.8, 8), (0.7, 9))]
    truth = paired_bootstrap(many[0], many[1:], resamples=10)[0]["mAP@.5:.95"].difference
    hits = 0
    for seed in range(20):
        pair = [evaluated(0.8, images=60, seed=2 * seed), evaluated(0.7, images=60, seed=2 * seed + 101)]
        interval = paired_bootstrap(pair[0], pair[1:], resamples=200)[0]["mAP@.5:.95"]
        hits += interval.low <= truth <= interval.high
    assert hits >= 16


def test_other_images_are_refused() -> None:
    with pytest.raises(YoloqatError, match="not made on the same images"):
        paired_bootstrap(evaluated(0.8), [evaluated(0.8, data="e" * 64)])


def test_files_are_read_as_written_and_damage_is_told(tmp_path: Path) -> None:
    matches, path = evaluated(0.8), tmp_path / "best_matches.npz"
    matches.save(path)
    again = Matches.load(path)
    for name in ("data", "ap", "images"):
        assert getattr(again, name) == getattr(matches, name)
    for name in ("scores", "classes", "correct", "labels", "detection_images", "label_images"):
        np.testing.assert_array_equal(getattr(again, name), getattr(matches, name))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(YoloqatError, match="cannot read the matches"):
        Matches.load(path)


def test_the_command_prints_json_or_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(tmp_path / f"{i}.npz") for i in range(2)]
    evaluated(0.8).save(Path(paths[0]))
    assert main(paths) == 2
    assert "cannot read the matches" in capsys.readouterr().err
    evaluated(0.6, seed=1).save(Path(paths[1]))
    assert main(paths) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["mAP@.5:.95"]["low"] < found["mAP@.5:.95"]["difference"] < found["mAP@.5:.95"]["high"] < 0
