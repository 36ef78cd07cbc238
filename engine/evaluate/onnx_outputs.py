"""What the outputs of an exported file hold: decoded boxes, raw heads, or detections after its own NMS."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.models.heads import Detect

DETECTIONS = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")
"""(B, 1) int32, (B, M, 4) corners in pixels, (B, M), (B, M) int32: as TensorRT's EfficientNMS names and shapes them."""
RAW_PREFIX = "raw_"
"""Before the stride of a level, whose raw output (B, A, Y, X, 5 + nc) it is."""
SAME = 1e-6
"""Thresholds closer than this are equal: a file holds them in float32."""


@dataclass(frozen=True)
class NmsSettings:
    """What a file's own NMS does."""

    score_threshold: float
    iou_threshold: float
    max_detections: int

    def to_text(self) -> str:
        """For `metadata_props`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "NmsSettings":
        """The inverse of `to_text`.

        Raises:
            YoloqatError: it is no such text.
        """
        try:
            plain = json.loads(text)
            return cls(float(plain["score_threshold"]), float(plain["iou_threshold"]), int(plain["max_detections"]))
        except (ValueError, TypeError, KeyError) as error:
            raise YoloqatError("the file does not say what thresholds its NMS has", hint="Export it again.") from error

    def check(self, conf_thres: float, iou_thres: float) -> None:
        """Refuse an evaluation at thresholds for which these detections do not suffice.

        A lower score threshold does: what scores more than another is found before it, whatever comes after.

        Raises:
            YoloqatError: says which thresholds would do.
        """
        if self.score_threshold <= conf_thres + SAME and abs(self.iou_threshold - iou_thres) <= SAME:
            return
        raise YoloqatError(
            f"the file ends in its own NMS, which keeps scores over {self.score_threshold:g} at an IoU of "
            f"{self.iou_threshold:g}; an evaluation at {conf_thres:g} and {iou_thres:g} needs what it drops",
            hint=f"Evaluate with --conf-thres {self.score_threshold:g} --iou-thres {self.iou_threshold:g}, which"
            " compares with evaluations at these alone; or evaluate export/model.decoded.onnx, the same without NMS.",
        )


def detections_of(outputs: Sequence[np.ndarray]) -> list[Tensor]:
    """Per image (n, 6) float32 x1, y1, x2, y2, score, class, best first.

    Args:
        outputs: in the order of `DETECTIONS`.
    """
    counts, boxes, scores, classes = outputs
    rows = np.concatenate([boxes, scores[..., None], classes[..., None].astype(np.float32)], 2)
    return [torch.from_numpy(image[: int(count)].copy()) for image, count in zip(rows, counts[:, 0], strict=True)]


class RawDecoder:
    """Decodes raw heads as the model's own head does."""

    def __init__(self, metadata: Mapping[str, str], outputs: int) -> None:
        """Read anchors and strides.

        Args:
            metadata: of the file.
            outputs: how many levels it has.

        Raises:
            YoloqatError: the file does not tell them, or not as many.
        """
        try:
            anchors, strides = json.loads(metadata["anchors"]), json.loads(metadata["strides"])
            head = Detect(len(json.loads(metadata["names"])), anchors, [1] * len(anchors))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise YoloqatError("the file has raw outputs, and does not say its anchors and strides") from error
        if not len(anchors) == len(strides) == outputs:
            raise YoloqatError(f"the file has {outputs} raw outputs, and says anchors for {len(anchors)}")
        head.set_stride(torch.tensor(strides, dtype=torch.float32))
        self._head = head

    def __call__(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        """(B, A, Y, X, 5 + nc) per level → (B, N, 5 + nc)."""
        with torch.no_grad():
            decoded: np.ndarray = self._head.decode([torch.from_numpy(raw) for raw in raws]).numpy()
        return decoded
