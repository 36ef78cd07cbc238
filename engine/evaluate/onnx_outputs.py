"""Outputs of an exported file: decoded boxes, raw heads, or detections after the file's own NMS."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.models.heads import Detect

DETECTIONS = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")
"""Names as in TensorRT's EfficientNMS: (B, 1) int32, (B, M, 4) corners in pixels, (B, M), (B, M) int32."""
RAW_PREFIX = "raw_"
"""Prefix of the name of a level's raw output (B, A, Y, X, 5 + nc); the stride follows."""
TOLERANCE = 1e-6
"""Thresholds closer than this are equal, because a file stores them in float32."""


@dataclass(frozen=True)
class NmsSettings:
    """Settings of a file's own NMS."""

    score_threshold: float
    iou_threshold: float
    max_detections: int

    def to_text(self) -> str:
        """Return JSON for the file's `metadata_props`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "NmsSettings":
        """Parse the text of `to_text`.

        Raises:
            YoloqatError: the text is invalid.
        """
        try:
            settings = json.loads(text)
            thresholds = float(settings["score_threshold"]), float(settings["iou_threshold"])
            return cls(*thresholds, int(settings["max_detections"]))
        except (ValueError, TypeError, KeyError) as error:
            raise YoloqatError("the file's metadata lack the thresholds of its NMS", hint="Export it again.") from error

    def check(self, conf_thres: float, iou_thres: float) -> None:
        """Raise if the file's detections do not suffice for an evaluation at these thresholds.

        A lower score threshold suffices: a detection is never suppressed by one with a lower score.

        Raises:
            YoloqatError: the thresholds do not fit; the message names those that do.
        """
        if self.score_threshold <= conf_thres + TOLERANCE and abs(self.iou_threshold - iou_thres) <= TOLERANCE:
            return
        raise YoloqatError(
            f"the file ends in its own NMS, which keeps scores over {self.score_threshold:g} at an IoU of "
            f"{self.iou_threshold:g}; an evaluation at {conf_thres:g} and {iou_thres:g} needs what it drops",
            hint=f"Evaluate with --conf-thres {self.score_threshold:g} --iou-thres {self.iou_threshold:g}, which"
            " compares with evaluations at these alone; or evaluate export/model.decoded.onnx, the same without NMS.",
        )


def detections_of(outputs: Sequence[np.ndarray]) -> list[Tensor]:
    """Return detections per image, (n, 6) float32 x1, y1, x2, y2, score, class, best first.

    Args:
        outputs: in the order of `DETECTIONS`.
    """
    counts, boxes, scores, classes = outputs
    rows = np.concatenate([boxes, scores[..., None], classes[..., None].astype(np.float32)], 2)
    return [torch.from_numpy(image[: int(count)].copy()) for image, count in zip(rows, counts[:, 0], strict=True)]


class RawDecoder:
    """Decodes raw outputs as the model's head does."""

    def __init__(self, metadata: Mapping[str, str], outputs: int) -> None:
        """Read anchors and strides.

        Args:
            metadata: metadata of the file.
            outputs: number of the file's raw outputs, one per level.

        Raises:
            YoloqatError: the metadata lack them, or have another number of levels.
        """
        try:
            anchors, strides = json.loads(metadata["anchors"]), json.loads(metadata["strides"])
            head = Detect(len(json.loads(metadata["names"])), anchors, [1] * len(anchors))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise YoloqatError("the file has raw outputs, but its metadata lack anchors and strides") from error
        if not len(anchors) == len(strides) == outputs:
            raise YoloqatError(f"the file has {outputs} raw outputs, but its metadata have anchors for {len(anchors)}")
        head.set_stride(torch.tensor(strides, dtype=torch.float32))
        self._head = head

    def __call__(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        """Decode (B, A, Y, X, 5 + nc) per level into (B, N, 5 + nc)."""
        with torch.no_grad():
            decoded: np.ndarray = self._head.decode([torch.from_numpy(raw) for raw in raws]).numpy()
        return decoded
