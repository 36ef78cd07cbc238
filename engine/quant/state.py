"""Quantize a model; save and load it as a checkpoint of state dict and plain data, never a pickled module."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from engine.contracts.errors import YoloqatError
from engine.models.checkpoint import Checkpoint, model_from_checkpoint
from engine.models.config import parse_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import YoloModel, build_model
from engine.quant.backends import DEFAULT
from engine.quant.calibration.calibrate import round_biases
from engine.quant.placement import ValueClass, find_value_classes, place_quantizers
from engine.quant.policy import read_entries, resolve_policy
from engine.quant.widths import Width, is_width, resolve_widths, share_inputs

SCHEMA = 3
"""Newest schema of `QuantSpec.to_plain`: 2 adds `widths`, 3 a `backend` other than pytorch-quantization."""


@dataclass(frozen=True)
class QuantSpec:
    """How a model is quantized, without the ranges, which are in its state dict."""

    classes: tuple[ValueClass, ...]
    floating: tuple[str, ...] = ()
    """Convolutions that stay float."""
    patterns: tuple[str, ...] = ()
    """Entries of `--keep-float` and `--layer-bits` that led to `floating` and `widths`."""
    bits: int = 8
    weight_bits: int = 8
    widths: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Path → bits of input and weights, where they differ from `bits` and `weight_bits`."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """Calibrator, percentile, number and size of images."""
    backend: str = DEFAULT
    """Name of the quantizer library, see `engine.quant.backends`."""

    @property
    def schema(self) -> int:
        """The oldest schema that can express this, so that older versions can read what they understand."""
        if self.backend != DEFAULT:
            return 3
        return 2 if self.widths else 1

    @property
    def quantized(self) -> tuple[str, ...]:
        """Paths of the quantized convolutions."""
        return tuple(name for group in self.classes for name in group.convs)

    def to_plain(self) -> dict[str, Any]:
        """Convert to lists, dictionaries, strings and numbers."""
        plain = asdict(self)
        plain["classes"] = [{**group, "convs": list(group["convs"])} for group in plain["classes"]]
        plain["widths"] = {name: list(width) for name, width in self.widths.items()}
        lists = {"floating": list(self.floating), "patterns": list(self.patterns)}
        return plain | lists | {"schema": self.schema}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "QuantSpec":
        """Create a spec from the result of `to_plain`.

        Raises:
            YoloqatError: it was written by a newer version, or is incomplete.
        """
        if int(plain.get("schema", 0)) > SCHEMA:
            raise YoloqatError("the quantization was written by a newer version", hint="Update yoloqat to read it.")
        try:
            classes = tuple(ValueClass(c["name"], tuple(c["convs"]), c["tensors"]) for c in plain["classes"])
            return cls(
                classes=classes,
                floating=tuple(plain["floating"]),
                patterns=tuple(plain["patterns"]),
                bits=plain["bits"],
                weight_bits=plain["weight_bits"],
                widths={name: (int(a), int(w)) for name, (a, w) in plain.get("widths", {}).items()},
                calibration=dict(plain["calibration"]),
                backend=str(plain.get("backend", DEFAULT)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise YoloqatError(f"the checkpoint's quantization is incomplete: {error}") from error


def quantize_model(
    model: YoloModel,
    keep_float: Sequence[str] = ("default",),
    *,
    bits: int = 8,
    weight_bits: int = 8,
    layer_bits: Sequence[str] = (),
    backend: str = DEFAULT,
) -> QuantSpec:
    """Insert quantizers into a fused model, in place; they have no range until calibration.

    Args:
        model: fused model, in evaluation mode.
        keep_float: see `resolve_policy`; entries may also set widths.
        bits: bits of the activations.
        weight_bits: bits of the weights.
        layer_bits: see `resolve_widths`; an input that several convolutions share gets the largest requested width.
        backend: name of the quantizer library.

    Raises:
        YoloqatError: the policy does not fit the model, or the backend is not installed.
    """
    policy = resolve_policy(model, keep_float)
    side = 2 * int(max(model.stride))
    example = torch.zeros(1, 3, side, side, device=next(model.parameters()).device)
    classes = tuple(find_value_classes(model, policy.quantized, example))
    entries = [*filter(is_width, read_entries(keep_float)), *layer_bits]
    default = Width(bits, weight_bits)
    widths = share_inputs(resolve_widths(entries, policy.quantized, default), classes)
    spec = QuantSpec(
        classes=classes,
        floating=policy.floating,
        patterns=(*policy.patterns, *entries),
        bits=bits,
        weight_bits=weight_bits,
        widths={name: (width.inputs, width.weights) for name, width in widths.items() if width != default},
        backend=backend,
    )
    place_quantizers(model, spec.classes, bits, weight_bits, spec.widths, backend)
    return spec


def quantized_checkpoint(model: YoloModel, spec: QuantSpec, source: Checkpoint) -> Checkpoint:
    """Create a checkpoint of `model` with the metadata of `source`, without optimizer, EMA and epoch."""
    return replace(
        source,
        model_state={name: value.detach().cpu().clone() for name, value in model.state_dict().items()},
        ema_state=None,
        optimizer=None,
        epoch=-1,
        updates=0,
        quant=spec.to_plain(),
        meta=dict(source.meta),
    )


def with_rounded_biases(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint of the same model with biases rounded by `round_biases`, without optimizer and EMA."""
    model = load_quantized(checkpoint)
    round_biases(model)
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return replace(checkpoint, model_state=state, ema_state=None, optimizer=None)


def load_quantized(checkpoint: Checkpoint, ema: bool = True) -> YoloModel:
    """Rebuild a quantized model in evaluation mode; its outputs equal the saved model's bit for bit.

    Raises:
        YoloqatError: the checkpoint is float, its parts do not match, or its backend is not installed.
    """
    if checkpoint.quant is None:
        raise YoloqatError("this checkpoint holds a float model", hint="Run `ptq` on it first.")
    spec = QuantSpec.from_plain(checkpoint.quant)
    config = parse_model_config(checkpoint.config, "checkpoint", "checkpoint")
    model = fuse_model(build_model(config, names=checkpoint.names, act=checkpoint.act), in_place=True).eval()
    place_quantizers(model, spec.classes, spec.bits, spec.weight_bits, spec.widths, spec.backend)
    try:
        model.load_state_dict(checkpoint.state if ema else checkpoint.model_state)
    except RuntimeError as error:
        raise YoloqatError(
            f"the weights do not fit the quantized model that the checkpoint describes: {str(error).splitlines()[0]}",
            hint="The checkpoint is inconsistent; run `ptq` again.",
        ) from error
    return model


def restore_model(checkpoint: Checkpoint, ema: bool = True) -> YoloModel:
    """Rebuild the model of any checkpoint for evaluation: quantized as saved, or float and fused."""
    if checkpoint.quant is not None:
        return load_quantized(checkpoint, ema)
    return fuse_model(model_from_checkpoint(checkpoint, ema), in_place=True).eval()
