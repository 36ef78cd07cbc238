"""COCO's numbers, on COCO's own example and on a case small enough to check by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.evaluate.coco import STATS, ImageDetections, evaluate_coco, evaluate_images


def image(path: str, labels: list[list[float]], detections: list[list[float]]) -> ImageDetections:
    return ImageDetections(
        path,
        (640, 480),
        np.array(labels, np.float32).reshape(-1, 5),
        np.array(detections, np.float32).reshape(-1, 6),
    )


def test_two_images_by_hand() -> None:
    """One large box found exactly, one small box missed, one medium box found with IoU 0.8, one false alarm."""
    images = [
        image("/data/frame-a.jpg", [[0, 100, 100, 300, 300], [0, 10, 10, 30, 30]], [[100, 100, 300, 300, 0.9, 0]]),
        image("/data/frame b.png", [[1, 50, 50, 100, 110]], [[50, 50, 100, 98, 0.8, 1], [300, 300, 380, 380, 0.2, 1]]),
        image("/data/empty.png", [], []),
    ]
    found = evaluate_images(images, ["cat", "dog"])
    assert list(found) == list(STATS)
    first = 51 / 101  # class 0: half of the labels found, so precision 1 at recalls 0 to 0.5
    assert found["AP50"] == pytest.approx((first + 1.0) / 2)
    assert found["AP75"] == pytest.approx((first + 1.0) / 2)
    assert found["AP"] == pytest.approx((first + 0.7) / 2), "IoU 0.8 passes seven of the ten thresholds"
    assert found["APs"] == 0.0
    assert found["APm"] == pytest.approx(0.7)
    assert found["APl"] == pytest.approx(1.0)
    assert found["AR100"] == pytest.approx((0.5 + 0.7) / 2)


def test_nothing_to_find_is_minus_one() -> None:
    found = evaluate_images([image("a.jpg", [], [[0, 0, 50, 50, 0.5, 0]])], ["cat"])
    assert set(found.values()) == {-1.0}


@pytest.mark.parametrize(
    ("truth", "detections"),
    [
        ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json"),
        ("gt_dataset.json", "dt_dataset.json"),
    ],
)
def test_published_numbers(shared: Path, truth: str, detections: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared / "data" / "coco-eval"
    expected = json.loads((folder / "expected_bbox_stats_pycocotools.json").read_text())["sets"][
        f"{truth} + {detections}"
    ]
    found = evaluate_coco(json.loads((folder / truth).read_text()), json.loads((folder / detections).read_text()))
    assert found == pytest.approx(expected["stats"], abs=1e-12)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" Average")]
    assert printed == expected["summary_text"]
