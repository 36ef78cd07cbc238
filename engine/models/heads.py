"""Detection heads and the decoding of their outputs.

Legend: B batch, A anchors per level, Y and X grid rows and columns, O = 5 + classes outputs, N = Σ A·Y·X boxes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.models.blocks import ImplicitA, ImplicitM


class Detect(nn.Module):
    """1×1 convolutions to A·O channels per level.

    Training: list of raw outputs (B, A, Y, X, O). Evaluation: (decoded (B, N, O), the same list). Decoded boxes are
    centre x, centre y, width, height in pixels of the input; objectness and class scores are probabilities.
    """

    def __init__(self, nc: int, anchors: Sequence[Sequence[float]], channels: Sequence[int]) -> None:
        super().__init__()
        self.nc = nc
        self.no = nc + 5
        self.nl = len(anchors)
        self.na = len(anchors[0]) // 2
        self.stride = torch.zeros(self.nl)
        pixels = torch.tensor(anchors, dtype=torch.float32).view(self.nl, -1, 2)
        self.register_buffer("anchors", pixels)
        self.register_buffer("anchor_grid", pixels.clone().view(self.nl, 1, -1, 1, 1, 2))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in channels)
        self._grids: dict[tuple[int, int, torch.device, torch.dtype], Tensor] = {}

    def raw(self, level: int, x: Tensor) -> Tensor:
        """Compute the output of one level before reshaping: (B, A·O, Y, X)."""
        return self.m[level](x)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        raws = []
        for level, x in enumerate(features):
            y = self.raw(level, x)
            b, _, ny, nx = y.shape
            raws.append(y.view(b, self.na, self.no, ny, nx).permute(0, 1, 3, 4, 2).contiguous())
        return raws if self.training else (self.decode(raws), raws)

    def decode(self, raws: Sequence[Tensor]) -> Tensor:
        """Decode (B, A, Y, X, O) per level into (B, N, O): levels, then anchors, rows, columns.

        xy = (2σ − 0.5 + cell)·stride and wh = (2σ)²·anchor, written so that it exports without scatter nodes.
        """
        boxes = []
        for level, raw in enumerate(raws):
            b, _, ny, nx, _ = raw.shape
            stride = float(self.stride[level])
            y = raw.sigmoid()
            xy, wh, scores = y.split((2, 2, self.no - 4), -1)
            xy = xy * (2 * stride) + stride * (self._grid(int(ny), int(nx), raw) - 0.5)
            wh = wh * wh * (4 * self.anchor_grid[level].to(raw.dtype))
            boxes.append(torch.cat((xy, wh, scores), -1).view(b, -1, self.no))
        return torch.cat(boxes, 1)

    def _grid(self, ny: int, nx: int, like: Tensor) -> Tensor:
        key = (ny, nx, like.device, like.dtype)
        if key not in self._grids:
            rows, columns = torch.meshgrid(torch.arange(ny), torch.arange(nx), indexing="ij")
            self._grids[key] = torch.stack((columns, rows), -1).view(1, 1, ny, nx, 2).to(like.device, like.dtype)
        return self._grids[key]

    def set_stride(self, stride: Tensor) -> None:
        """Set pixels per cell (L,), and convert `anchors` from pixels to grid cells."""
        self.stride = stride
        self.anchors /= stride.view(-1, 1, 1)

    @torch.no_grad()
    def init_biases(self) -> None:
        """Set biases to the expected density: 8 objects per 640-pixel image, classes at 0.6 / (nc − 0.99)."""
        for conv, stride in zip(self.m, self.stride, strict=True):
            bias = conv.bias.view(self.na, -1)
            bias[:, 4] += math.log(8 / (640 / float(stride)) ** 2)
            bias[:, 5:] += math.log(0.6 / (self.nc - 0.99))


class IDetect(Detect):
    """`Detect` with implicit knowledge: a vector added before and one multiplied after each 1×1 convolution."""

    def __init__(self, nc: int, anchors: Sequence[Sequence[float]], channels: Sequence[int]) -> None:
        super().__init__(nc, anchors, channels)
        self.ia = nn.ModuleList(ImplicitA(c) for c in channels)
        self.im = nn.ModuleList(ImplicitM(self.no * self.na) for _ in channels)
        self.fused = False

    def raw(self, level: int, x: Tensor) -> Tensor:
        if self.fused:
            return self.m[level](x)
        return self.im[level](self.m[level](self.ia[level](x)))
