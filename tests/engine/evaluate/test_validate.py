"""The evaluation loop: its numbers, its lines, and its refusals."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.data.config import DataConfig
from engine.data.loader import val_loader
from engine.evaluate.predictors import TorchPredictor
from engine.evaluate.validate import validate
from engine.evaluate.validation import evaluation_result
from tests.engine.evaluate.conftest import Oracle


def loader(data: DataConfig, **options: Any) -> Any:
    return val_loader(data, "val", 128, 5, workers=0, **options)


def test_perfect_detections_are_perfect(data: DataConfig) -> None:
    batches = loader(data)
    found = validate(Oracle(batches, 4), batches, data)
    assert found.map50 == pytest.approx(1.0)
    assert found.map == pytest.approx(1.0)
    assert found.precision == pytest.approx(1.0)
    assert found.labels == sum(len(batch[1]) for batch in batches)
    assert found.fitness == pytest.approx(1.0)
    assert found.losses == (0.0, 0.0, 0.0)
    assert found.maps.shape == (4,)


def test_shifted_detections_lose_the_strict_thresholds(data: DataConfig) -> None:
    batches = loader(data)
    found = validate(Oracle(batches, 4, shift=0.1), batches, data)
    assert found.map50 > 0.99
    assert 0.4 < found.map < 0.9


def test_the_lines_are_the_originals(data: DataConfig, capsys: pytest.CaptureFixture[str]) -> None:
    batches = loader(data)
    found = validate(Oracle(batches, 4), batches, data)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert next(line for line in lines if line.startswith(" ")) == (
        f"                 all          12{found.labels:12d}           1           1           1           1"
    )
    assert [line.split()[0] for line in lines[-5:-1]] == ["circle", "square", "triangle", "star"]
    assert re.fullmatch(
        r"Speed: \d+\.\d/\d+\.\d/\d+\.\d ms inference/NMS/total per 128x128 image at batch-size 5", lines[-1]
    )
    bar = err.split("\r")[-1]
    header = "               Class      Images      Labels           P           R      mAP@.5  mAP@.5:.95: 100%|"
    assert bar.startswith(header)
    assert "| 3/3 [" in bar


def test_inside_training_there_is_one_row_unless_asked(data: DataConfig, capsys: pytest.CaptureFixture[str]) -> None:
    predictor = TorchPredictor(Blind(4))

    def loss(raws: list[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(1), torch.tensor([0.1, 0.2, float(len(targets)), 9.0])

    batches = loader(data)
    capsys.readouterr()
    found = validate(predictor, batches, data, compute_loss=loss)
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    assert out.startswith("                 all ")
    assert "Speed" not in out
    assert found.losses == pytest.approx((0.1, 0.2, found.labels / 3))
    validate(predictor, batches, data, compute_loss=loss, verbose=True)
    assert len(capsys.readouterr().out.splitlines()) == 5


class Blind(nn.Module):
    """Sees nothing."""

    def __init__(self, nc: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.nc = nc

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        assert not self.training
        assert not torch.is_grad_enabled()
        return torch.zeros(len(images), 7, 5 + self.nc) * self.weight, [torch.zeros(1)]


def test_a_model_that_sees_nothing_scores_nothing(
    data: DataConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Blind(4).train()
    found = validate(TorchPredictor(model), loader(data), data, predictions=tmp_path / "none_predictions.json")
    assert (found.map50, found.map, found.precision, found.recall) == (0, 0, 0, 0)
    assert found.coco is not None
    assert found.coco["AP"] == 0
    assert model.training, "the caller's mode must come back"
    assert " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.000" in capsys.readouterr().out


def test_pycocotools_follows_with_its_own_text(
    data: DataConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batches = loader(data)
    capsys.readouterr()
    path = tmp_path / "run" / "best_predictions.json"
    found = validate(Oracle(batches, 4, shift=0.05), batches, data, predictions=path)
    out = capsys.readouterr().out
    text = out[out.index("Speed") :].splitlines()
    assert text[1:4] == [
        "",
        f"Evaluating pycocotools mAP... saving {path}...",
        "loading annotations into memory...",
    ]
    for line in ("index created!", "Loading and preparing results...", "Evaluate annotation type *bbox*"):
        assert line in text
    stats = [line for line in text if line.startswith(" Average ")]
    assert len(stats) == 12
    assert found.coco is not None
    assert stats[0].endswith(f"= {found.coco['AP']:0.3f}")
    assert len(found.coco) == 12
    rows = json.loads(path.read_text())
    assert len(rows) == found.labels
    assert rows[0].keys() == {"image_id", "category_id", "bbox", "score"}
    assert {row["image_id"] for row in rows} <= set(range(12))
    assert {row["category_id"] for row in rows} <= set(range(4))
    sides = [side for row in rows for side in row["bbox"]]
    assert all(side == round(side, 3) for side in sides)
    assert any(side != round(side, 2) for side in sides)


def test_the_result_says_what_must_agree_for_a_comparison(data: DataConfig) -> None:
    rect, square = loader(data), loader(data, letterbox="square")
    first = validate(Oracle(rect, 4), rect, data, iou_thres=0.6)
    second = validate(Oracle(square, 4), square, data, v5_metric=True)
    result = evaluation_result(first, label="float", weights="weights/best.pt", backend="pytorch")
    assert result.settings.letterbox == "rect"
    assert result.settings.iou_thres == 0.6
    assert result.settings.images == 12
    assert (first.settings.image_size, second.settings.letterbox) == (128, "square")
    assert first.settings.data == second.settings.data
    assert (first.settings.ap, second.settings.ap) == ("yolov7", "yolov5")
    assert result.metrics["mAP@.5"] == first.map50
    assert set(result.per_class) == {"circle", "square", "triangle", "star"}
    assert set(result.milliseconds_per_image) == {"inference", "nms", "total"}


def test_single_cls_ignores_the_class(data: DataConfig) -> None:
    batches = loader(data, single_cls=True)
    found = validate(Oracle(batches, 4, kind=3), batches, data, single_cls=True)
    assert found.map50 == pytest.approx(1.0)
    assert list(found.per_class()) == ["item"]


def test_a_model_with_other_classes_is_refused(data: DataConfig) -> None:
    batches = loader(data)
    with pytest.raises(YoloqatError, match="7 classes, and the data set has 4"):
        validate(Oracle(batches, 7), batches, data)


def test_a_model_of_fixed_size_refuses_other_images(data: DataConfig) -> None:
    batches = loader(data)
    oracle = Oracle(batches, 4)
    oracle.fixed_size = (128, 128)
    with pytest.raises(YoloqatError, match=r"128×128.*160×160") as raised:
        validate(oracle, batches, data)
    assert raised.value.hint
    assert "--letterbox square" in raised.value.hint
    square = loader(data, letterbox="square")
    assert validate(oracle, square, data).settings.letterbox == "square"
