"""Module names of the original's model files → our modules. A table in the place of `eval`."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from engine.contracts.errors import YoloqatError
from engine.models.blocks import MP, SP, SPPCSPC, Concat, Conv, DownC, ReOrg, RepConv, Shortcut
from engine.models.config import LayerRow, scale_channels
from engine.models.heads import Detect, IDetect

Built = tuple[nn.Module, int]
"""A module and its number of output channels."""

HEADS: dict[str, type[Detect]] = {"Detect": Detect, "IDetect": IDetect}


def _convolution(kind: type[nn.Module]) -> Callable[[LayerRow, Sequence[int], str, float], Built]:
    def build(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> Built:
        c_out = scale_channels(int(row.args[0]), width)
        return kind(c_in[0], c_out, *row.args[1:], act=row.activation or act), c_out

    return build


def _sppcspc(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> Built:
    c_out = scale_channels(int(row.args[0]), width)
    return SPPCSPC(c_in[0], c_out, act=row.activation or act), c_out


def _downc(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> Built:
    c_out = scale_channels(int(row.args[0]), width)
    return DownC(c_in[0], c_out, act=row.activation or act), c_out


def _upsample(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> Built:
    size, scale, mode = row.args
    return nn.Upsample(size, scale, str(mode).strip("'\"")), c_in[0]


BUILDERS: dict[str, Callable[[LayerRow, Sequence[int], str, float], Built]] = {
    "Conv": _convolution(Conv),
    "RepConv": _convolution(RepConv),
    "SPPCSPC": _sppcspc,
    "DownC": _downc,
    "MP": lambda row, c_in, act, width: (MP(*row.args), c_in[0]),
    "SP": lambda row, c_in, act, width: (SP(*row.args), c_in[0]),
    "ReOrg": lambda row, c_in, act, width: (ReOrg(), 4 * c_in[0]),
    "Concat": lambda row, c_in, act, width: (Concat(*row.args), sum(c_in)),
    "Shortcut": lambda row, c_in, act, width: (Shortcut(), c_in[0]),
    "nn.Upsample": _upsample,
}


def build_layer(row: LayerRow, c_in: Sequence[int], act: str, width: float, where: str) -> Built:
    """Build one row that is not the head.

    Raises:
        YoloqatError: unknown module, or arguments that it does not take.
    """
    if row.module not in BUILDERS:
        names = ", ".join([*BUILDERS, *HEADS])
        raise YoloqatError(f"unknown module {row.module!r}", where=where, hint=f"Known modules: {names}.")
    try:
        return BUILDERS[row.module](row, c_in, act, width)
    except (TypeError, ValueError, IndexError) as error:
        raise YoloqatError(
            f"{row.module} does not take the arguments {list(row.args)}: {error}", where=where
        ) from error


def check_head(row: LayerRow, where: str) -> type[Detect]:
    """The class of the last row.

    Raises:
        YoloqatError: the last row is not a detection head that we know.
    """
    if row.module not in HEADS:
        raise YoloqatError(
            f"the last layer is {row.module!r}, not a detection head",
            where=where,
            hint=f"Known heads: {', '.join(HEADS)}.",
        )
    return HEADS[row.module]


def head_arguments(row: LayerRow, nc: int, anchors: Any) -> tuple[int, Any]:
    """`nc` and `anchors` of the head's row: names that refer to the file's keys, or values of its own."""
    values = [{"nc": nc, "anchors": anchors}.get(arg, arg) if isinstance(arg, str) else arg for arg in row.args]
    return nc, values[1] if len(values) > 1 else anchors
