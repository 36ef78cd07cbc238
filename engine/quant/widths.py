"""Bits of single convolutions, given as `model.2.*=4` or `model.77.m.*=w4a8` (`--layer-bits`)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.contracts.errors import YoloqatError
from engine.quant.placement import ValueClass
from engine.quant.policy import matches

MIN_BITS, MAX_BITS = 2, 8
_WIDTH = re.compile(r"(?P<both>\d+)|(?:w(?P<weights>\d+))?(?:a(?P<inputs>\d+))?")


@dataclass(frozen=True)
class Width:
    """Bits of a convolution's input and weights."""

    inputs: int = 8
    weights: int = 8

    def __str__(self) -> str:
        return f"W{self.weights}A{self.inputs}"


def is_width(entry: str) -> bool:
    """Return whether an entry of `--keep-float` sets a width; all others keep convolutions float."""
    return "=" in entry


def resolve_widths(entries: Iterable[str], convs: Sequence[str], default: Width) -> dict[str, Width]:
    """Return path → width of every quantized convolution; a later entry overrides an earlier one.

    Args:
        entries: `REGEX=WIDTH`: the expression matches the path of a convolution or of a module that contains it; the
            width is `4` for weights and input, or `w4`, `a6`, `w4a8`.
        convs: paths of the quantized convolutions.
        default: width of those that no entry matches.

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
                hint=f"Paths look like {', '.join(convs[:2])}; float convolutions have no width.",
            )
        for name in matched:
            widths[name] = Width(inputs or widths[name].inputs, weights or widths[name].weights)
    return widths


def share_inputs(widths: Mapping[str, Width], classes: Iterable[ValueClass]) -> dict[str, Width]:
    """Return the widths with the input width of each class, which shares an input scale, raised to its largest."""
    shared = dict(widths)
    for group in classes:
        inputs = max(widths[name].inputs for name in group.convs)
        shared |= {name: Width(inputs, widths[name].weights) for name in group.convs}
    return shared


def _bits(entry: str, text: str) -> tuple[int, int]:
    """Return the bits of inputs and of weights; 0 where the entry does not set them."""
    width_match = _WIDTH.fullmatch(text)
    if width_match is None or not text:
        raise YoloqatError(
            f"--layer-bits {entry!r} has no valid width",
            hint="Write it like 'model.2.*=4', 'model.77.m.*=w4a8' or 'model.0=a6'.",
        )
    both = width_match["both"]
    inputs, weights = (int(both or width_match[name] or 0) for name in ("inputs", "weights"))
    widths = [bits for bits in (both, width_match["inputs"], width_match["weights"]) if bits]
    if not all(MIN_BITS <= int(bits) <= MAX_BITS for bits in widths):
        raise YoloqatError(f"--layer-bits {entry!r}: a width must be {MIN_BITS} to {MAX_BITS} bits")
    return inputs, weights
