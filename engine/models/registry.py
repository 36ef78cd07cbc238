"""Table from module names in YOLOv7's model files to our modules, instead of `eval`."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from engine.contracts.errors import YoloqatError
from engine.models.blocks import MP, SP, SPPCSPC, Concat, Conv, DownC, ReOrg, RepConv, Shortcut
from engine.models.config import LayerRow, scale_channels
from engine.models.heads import Detect, IDetect

BuiltLayer = tuple[nn.Module, int]
"""A module and its number of output channels."""

HEADS: dict[str, type[Detect]] = {"Detect": Detect, "IDetect": IDetect}


def _convolution(kind: type[nn.Module]) -> Callable[[LayerRow, Sequence[int], str, float], BuiltLayer]:
    def build(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> BuiltLayer:
        c_out = scale_channels(int(row.args[0]), width)
        return kind(c_in[0], c_out, *row.args[1:], act=row.activation or act), c_out

    return build


def _sppcspc(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> BuiltLayer:
    c_out = scale_channels(int(row.args[0]), width)
    return SPPCSPC(c_in[0], c_out, act=row.activation or act), c_out


def _downc(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> BuiltLayer:
    c_out = scale_channels(int(row.args[0]), width)
    return DownC(c_in[0], c_out, act=row.activation or act), c_out


def _upsample(row: LayerRow, c_in: Sequence[int], act: str, width: float) -> BuiltLayer:
    size, scale, mode = row.args
    return nn.Upsample(size, scale, str(mode).strip("'\"")), c_in[0]


BUILDERS: dict[str, Callable[[LayerRow, Sequence[int], str, float], BuiltLayer]] = {
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


def build_layer(row: LayerRow, c_in: Sequence[int], act: str, width: float, where: str) -> BuiltLayer:
    """Build the layer of one row, except the head.

    Raises:
        YoloqatError: the module is unknown, or does not take these arguments.
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


def head_class(row: LayerRow, where: str) -> type[Detect]:
    """Return the class of the last row.

    Raises:
        YoloqatError: the last row is not a known detection head.
    """
    if row.module not in HEADS:
        raise YoloqatError(
            f"the last layer is {row.module!r}, not a detection head",
            where=where,
            hint=f"Known heads: {', '.join(HEADS)}.",
        )
    return HEADS[row.module]


def head_arguments(row: LayerRow, nc: int, anchors: Any) -> tuple[int, Any]:
    """Return `nc` and the anchors of the head's row, which names the file's keys or gives its own values."""
    values = [{"nc": nc, "anchors": anchors}.get(arg, arg) if isinstance(arg, str) else arg for arg in row.args]
    return nc, values[1] if len(values) > 1 else anchors
