"""The layers of YOLOv7 (C.-Y. Wang et al., 2022, arXiv:2207.02696). Images and features are (B, C, H, W)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.models.activations import make_activation

BN_EPS, BN_MOMENTUM = 1e-3, 0.03


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Create a BatchNorm with YOLOv7's constants."""
    return nn.BatchNorm2d(channels, eps=BN_EPS, momentum=BN_MOMENTUM)


class Conv(nn.Module):
    """Convolution without bias, BatchNorm, activation; `bn` is None once fused."""

    def __init__(
        self, c_in: int, c_out: int, k: int = 1, s: int = 1, p: int | None = None, g: int = 1, act: str = "silu"
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, k, s, k // 2 if p is None else p, groups=g, bias=False)
        self.bn: nn.BatchNorm2d | None = batch_norm(c_out)
        self.act = make_activation(act)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.act(x if self.bn is None else self.bn(x))


class MP(nn.Module):
    """Max-pooling that divides the size by `k`."""

    def __init__(self, k: int = 2) -> None:
        super().__init__()
        self.m = nn.MaxPool2d(k, k)

    def forward(self, x: Tensor) -> Tensor:
        return self.m(x)


class SP(nn.Module):
    """Max-pooling that keeps the size (stride 1)."""

    def __init__(self, k: int = 3, s: int = 1) -> None:
        super().__init__()
        self.m = nn.MaxPool2d(k, s, k // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.m(x)


class Concat(nn.Module):
    """Concatenation in the order of the layer's `from` list."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.d = dim

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(x), self.d)


class Shortcut(nn.Module):
    """Sum of the outputs of two layers."""

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        return x[0] + x[1]


class ReOrg(nn.Module):
    """Space to depth: (B, C, H, W) → (B, 4C, H/2, W/2), blocks in the order of rows within columns."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)


class DownC(nn.Module):
    """Two half-width branches that divide the size by `k`, concatenated."""

    def __init__(self, c_in: int, c_out: int, n: int = 1, k: int = 2, act: str = "silu") -> None:
        super().__init__()
        self.cv1 = Conv(c_in, c_in, 1, 1, act=act)
        self.cv2 = Conv(c_in, c_out // 2, 3, k, act=act)
        self.cv3 = Conv(c_in, c_out // 2, 1, 1, act=act)
        self.mp = nn.MaxPool2d(k, k)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.cv2(self.cv1(x)), self.cv3(self.mp(x))), 1)


class SPPCSPC(nn.Module):
    """Cross-stage-partial spatial pyramid pooling."""

    def __init__(self, c_in: int, c_out: int, n: int = 1, k: Sequence[int] = (5, 9, 13), act: str = "silu") -> None:
        super().__init__()
        h = c_out
        self.cv1 = Conv(c_in, h, 1, 1, act=act)
        self.cv2 = Conv(c_in, h, 1, 1, act=act)
        self.cv3 = Conv(h, h, 3, 1, act=act)
        self.cv4 = Conv(h, h, 1, 1, act=act)
        self.m = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in k)
        self.cv5 = Conv(4 * h, h, 1, 1, act=act)
        self.cv6 = Conv(h, h, 3, 1, act=act)
        self.cv7 = Conv(2 * h, c_out, 1, 1, act=act)

    def forward(self, x: Tensor) -> Tensor:
        a = self.cv4(self.cv3(self.cv1(x)))
        b = self.cv6(self.cv5(torch.cat([a, *(pool(a) for pool in self.m)], 1)))
        return self.cv7(torch.cat((b, self.cv2(x)), 1))


class RepConv(nn.Module):
    """Re-parameterised convolution (RepVGG, arXiv:2101.03697).

    3×3 + 1×1 (+ identity) branches while training, one 3×3 convolution once fused.
    """

    def __init__(
        self, c_in: int, c_out: int, k: int = 3, s: int = 1, p: int | None = None, g: int = 1, act: str = "silu"
    ) -> None:
        super().__init__()
        self.act = make_activation(act)
        self.rbr_identity = batch_norm(c_in) if c_in == c_out and s == 1 else None
        self.rbr_dense: nn.Sequential | None = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, s, 1, groups=g, bias=False), batch_norm(c_out)
        )
        self.rbr_1x1: nn.Sequential | None = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, s, 0, groups=g, bias=False), batch_norm(c_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.rbr_dense is None or self.rbr_1x1 is None:
            return self.act(self.rbr_reparam(x))
        y = self.rbr_dense(x) + self.rbr_1x1(x)
        if self.rbr_identity is not None:
            y = y + self.rbr_identity(x)
        return self.act(y)


class ImplicitA(nn.Module):
    """Learned vector, added per channel (YOLOR, arXiv:2105.04206)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.implicit = nn.Parameter(torch.normal(0.0, 0.02, (1, channels, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.implicit + x


class ImplicitM(nn.Module):
    """Learned vector, multiplied per channel (YOLOR, arXiv:2105.04206)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.implicit = nn.Parameter(torch.normal(1.0, 0.02, (1, channels, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.implicit * x
