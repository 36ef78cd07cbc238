"""Candidates for a target: the anchors that fit its size, in its grid cell and the two nearest cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.losses.geometry import HeadGeometry

CELL_REACH = 0.5
"""A neighbouring cell is a candidate if the target's centre is nearer to it than this, in cells."""


@dataclass(frozen=True)
class Candidates:
    """M (cell, anchor, target) triples of one level; the same cell and anchor may occur for several targets."""

    image_M: Tensor
    anchor_M: Tensor
    row_M: Tensor
    column_M: Tensor
    target_M: Tensor
    """Row of the targets tensor."""
    anchor_wh_M2: Tensor
    """Anchor size in cells."""

    def __len__(self) -> int:
        return self.image_M.shape[0]

    def select(self, indices: Tensor, target_M: Tensor | None = None) -> "Candidates":
        """Return a subset, by index or mask, optionally assigned to other targets."""
        return Candidates(
            self.image_M[indices],
            self.anchor_M[indices],
            self.row_M[indices],
            self.column_M[indices],
            self.target_M[indices] if target_M is None else target_M,
            self.anchor_wh_M2[indices],
        )

    @property
    def cell_M2(self) -> Tensor:
        """Column and row of the cell, as floats."""
        return torch.stack((self.column_M, self.row_M), 1).float()


def find_candidates(
    shapes: Sequence[tuple[int, int]], targets_T6: Tensor, geometry: HeadGeometry, anchor_t: float
) -> list[Candidates]:
    """Find the candidates of each level, in YOLOv7's order: offset, then anchor, then target.

    Args:
        shapes: rows and columns of each level's grid.
        targets_T6: image, class, and cx, cy, w, h as fractions of the image.
        anchor_t: largest ratio between a target's side and the anchor's, either way.
    """
    return [
        _candidates_on_level(ny, nx, targets_T6, anchors.to(targets_T6.device).float(), anchor_t)
        for (ny, nx), anchors in zip(shapes, geometry.anchors_LA2, strict=True)
    ]


def _candidates_on_level(ny: int, nx: int, targets_T6: Tensor, anchors_A2: Tensor, anchor_t: float) -> Candidates:
    device = targets_T6.device
    grid = torch.tensor([nx, ny], device=device, dtype=torch.float32)
    xy_T2, wh_T2 = targets_T6[:, 2:4] * grid, targets_T6[:, 4:6] * grid
    ratio = wh_T2[None] / anchors_A2[:, None]
    fits = torch.maximum(ratio, 1 / ratio).amax(2) < anchor_t
    anchor, target = fits.nonzero(as_tuple=True)
    xy = xy_T2[target]
    from_right = grid - xy
    left, up = ((xy % 1 < CELL_REACH) & (xy > 1)).unbind(1)
    right, down = ((from_right % 1 < CELL_REACH) & (from_right > 1)).unbind(1)
    in_reach = torch.stack((torch.ones_like(left), left, up, right, down))
    offsets = torch.tensor([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], device=device) * CELL_REACH
    offset, pair = in_reach.nonzero(as_tuple=True)
    anchor, target = anchor[pair], target[pair]
    cell = (xy[pair] - offsets[offset]).long()
    return Candidates(
        image_M=targets_T6[target, 0].long(),
        anchor_M=anchor,
        row_M=cell[:, 1].clamp(0, ny - 1),
        column_M=cell[:, 0].clamp(0, nx - 1),
        target_M=target,
        anchor_wh_M2=anchors_A2[anchor],
    )
