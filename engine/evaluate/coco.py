"""COCO evaluation by pycocotools, for any data set in YOLO format."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from engine.data.config import DataConfig
from engine.evaluate.boxes import corners_to_xywh

COCO_IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
"""COCO numbers its 80 classes from 1 to 90."""
STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class ImageDetections:
    """Labels and detections of one image, in pixels of the file."""

    path: str
    size: tuple[int, int]
    """Width and height."""
    labels: np.ndarray
    """(m, 5) class, x1, y1, x2, y2."""
    detections: np.ndarray
    """(n, 6) x1, y1, x2, y2, score, class."""


def evaluate_images(images: Sequence[ImageDetections], names: Sequence[str]) -> dict[str, float]:
    """Evaluate detections against YOLO labels: all twelve numbers, keyed as in STATS; -1 if there are no labels.

    Areas (small < 32², large > 96²) are those of boxes in pixels of the file. Prints pycocotools' text.
    """
    return evaluate_coco(ground_truth(images, names), coco_detections(images))


def evaluate_coco(annotation_content: dict[str, Any], detections: list[dict[str, Any]]) -> dict[str, float]:
    """Run pycocotools' box evaluation.

    Args:
        annotation_content: content of a COCO annotation file.
        detections: image_id, category_id, bbox (left, top, width, height), score.

    Returns:
        The twelve numbers at full precision, keyed as in STATS.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(annotation_content, file)
        file.flush()
        labels_coco = COCO(file.name)
    evaluation = COCOeval(labels_coco, _load_results(labels_coco, detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    sys.stdout.flush()
    return {name: float(value) for name, value in zip(STATS, evaluation.stats, strict=True)}


def ground_truth(images: Sequence[ImageDetections], names: Sequence[str]) -> dict[str, Any]:
    """Convert YOLO labels to a COCO annotation file. Images are numbered from 1, classes keep their numbers."""
    annotations = []
    for image_id, image in enumerate(images, start=1):
        boxes = corners_to_xywh(image.labels[:, 1:].astype(np.float64))
        for kind, box in zip(image.labels[:, 0], boxes.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(kind),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    return {
        "info": {},
        "images": [
            {"id": i, "file_name": Path(image.path).name, "width": image.size[0], "height": image.size[1]}
            for i, image in enumerate(images, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }


def coco_detections(images: Sequence[ImageDetections]) -> list[dict[str, Any]]:
    """Convert detections to COCO results, rounded as in YOLOv7: boxes to 3 decimals, scores to 5."""
    return [
        {"image_id": image_id, "category_id": int(kind), "bbox": box, "score": score}
        for image_id, image in enumerate(images, start=1)
        for kind, box, score in _rounded(image.detections)
    ]


def write_predictions(path: Path, images: Sequence[ImageDetections], data: DataConfig) -> None:
    """Write YOLOv7's predictions file.

    An image's id is its file name without suffix, as an integer if it is one. A category's id is the class; for COCO
    itself (a data set YAML called coco.yaml, 80 classes) it is COCO's category number.
    """
    is_coco = data.path.name.endswith("coco.yaml") and data.nc == len(COCO_IDS)
    categories = COCO_IDS if is_coco else range(data.nc)
    rows = []
    for image in images:
        stem = Path(image.path).stem
        image_id = int(stem) if stem.isdecimal() else stem
        rows += [
            {"image_id": image_id, "category_id": categories[int(kind)], "bbox": box, "score": score}
            for kind, box, score in _rounded(image.detections)
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")


def _rounded(detections: np.ndarray) -> list[tuple[float, list[float], float]]:
    table = detections.astype(np.float64)
    boxes = corners_to_xywh(table[:, :4]).round(3).tolist()
    return list(zip(table[:, 5].tolist(), boxes, table[:, 4].round(5).tolist(), strict=True))


def _load_results(labels_coco: COCO, detections: list[dict[str, Any]]) -> COCO:
    if detections:
        return labels_coco.loadRes(detections)
    no_results = COCO()
    no_results.dataset = {**{k: labels_coco.dataset[k] for k in ("images", "categories")}, "annotations": []}
    no_results.createIndex()
    return no_results
