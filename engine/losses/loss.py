"""`ComputeLoss`: the loss in which every candidate predicts its target."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.losses.candidates import Candidates, find_candidates
from engine.losses.geometry import HeadGeometry
from engine.losses.terms import loss_terms


class ComputeLoss:
    """Loss for validation, and for training with `loss_ota: 0`.

    Args:
        geometry: of the head whose raw outputs are passed.
        hyp: gains `box`, `obj`, `cls` already scaled to levels, classes and image size; `anchor_t`, `cls_pw`, `obj_pw`,
            `fl_gamma`, `label_smoothing`.
    """

    def __init__(self, geometry: HeadGeometry, hyp: Mapping[str, Any]) -> None:
        self.geometry = geometry
        self.hyp = hyp

    def __call__(self, raws: Sequence[Tensor], targets_T6: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss of a batch.

        Args:
            raws: per level (B, A, Y, X, 5+nc); computed in float32 for every input type.
            targets_T6: image, class, cx, cy, w, h as fractions of the image.

        Returns:
            (total × batch size, detached [box, obj, cls, total]).
        """
        device_type = raws[0].device.type
        with torch.autocast(device_type, enabled=False):
            raws = [raw.float() for raw in raws]
            targets_T6 = targets_T6.to(raws[0].device, torch.float32)
            with torch.no_grad():
                matches = self.match(raws, targets_T6)
            return loss_terms(raws, matches, targets_T6, self.hyp)

    def match(self, raws: Sequence[Tensor], targets_T6: Tensor) -> list[Candidates]:
        """Assign cells and anchors to targets, per level."""
        shapes = [(raw.shape[2], raw.shape[3]) for raw in raws]
        return find_candidates(shapes, targets_T6, self.geometry, float(self.hyp["anchor_t"]))
