"""How many bits single convolutions have: `model.2.*=4`, `model.77.m.*=w4a8`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.contracts.errors import YoloqatError
from engine.quant.placement import ValueClass
from engine.quant.policy import matches

LEAST, MOST = 2, 8
_WIDTH = re.compile(r"(?P<both>\d+)|(?:w(?P<weights>\d+))?(?:a(?P<inputs>\d+))?")


@dataclass(frozen=True)
class Width:
    """Bits of a convolution."""

    inputs: int = 8
    weights: int = 8

    def __str__(self) -> str:
        return f"W{self.weights}A{self.inputs}"


def is_width(entry: str) -> bool:
    """Whether an entry of a policy sets a width; all others keep something float."""
    return "=" in entry


def resolve_widths(entries: Iterable[str], convs: Sequence[str], default: Width) -> dict[str, Width]:
    """The width of every quantized convolution; a later entry has its way over an earlier one.

    Args:
        entries: `REGEX=WIDTH`, where the expression matches the path of a convolution or of a module around it, and the
            width is `4` for weights and input, or `w4`, `a6`, `w4a8`.
        convs: paths of the convolutions that are quantized.
        default: of those that no entry matches.

    Raises:
        YoloqatError: an entry is malformed, out of range, or matches no quantized convolution.
    """
    widths = dict.fromkeys(convs, default)
    for entry in entries:
        pattern, _, text = entry.rpartition("=")
        pattern = pattern.strip()
        inputs, weights = _bits(entry, text.strip().lower())
        matched = [name for name in convs if matches(pattern, name, "--layer-bits")]
        if not matched:
            raise YoloqatError(
                f"--layer-bits {entry!r} matches no quantized convolution",
                hint=f"Paths look like {', '.join(convs[:2])}; what is kept float has no width.",
            )
        for name in matched:
            widths[name] = Width(inputs or widths[name].inputs, weights or widths[name].weights)
    return widths


def share_inputs(widths: Mapping[str, Width], classes: Iterable[ValueClass]) -> dict[str, Width]:
    """The same widths where convolutions with a common input scale have a common input width: the largest of theirs."""
    shared = dict(widths)
    for group in classes:
        inputs = max(widths[name].inputs for name in group.convs)
        shared |= {name: Width(inputs, widths[name].weights) for name in group.convs}
    return shared


def _bits(entry: str, text: str) -> tuple[int, int]:
    """Bits of inputs and of weights; 0 where the entry says nothing of them."""
    width_match = _WIDTH.fullmatch(text)
    if width_match is None or not text:
        raise YoloqatError(
            f"--layer-bits {entry!r} names no width", hint="Such as 'model.2.*=4', 'model.77.m.*=w4a8' or 'model.0=a6'."
        )
    both = width_match["both"]
    inputs, weights = (int(both or width_match[name] or 0) for name in ("inputs", "weights"))
    given = [bits for bits in (both, width_match["inputs"], width_match["weights"]) if bits]
    if not all(LEAST <= int(bits) <= MOST for bits in given):
        raise YoloqatError(f"--layer-bits {entry!r}: a width is {LEAST} to {MOST} bits")
    return inputs, weights
