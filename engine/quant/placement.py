"""Place quantizers: find the inputs that must share one scale, and replace the convolutions by quantized ones.

Concatenation, max-pooling, nearest-neighbour resize and reordering keep the values of a tensor, so an integer runtime
can run them on integers if all tensors involved have the same scale. Such tensors form a *value class*. One forward
pass finds the classes, and each gets a single quantizer. (Deciding by the consumers of each node in an exported graph,
as is common, leaves some tensors with two scales.)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.contracts.errors import YoloqatError
from engine.quant.backends import DEFAULT, load_backend

aten = torch.ops.aten
VALUE_PRESERVING: frozenset[Any] = frozenset(
    {
        aten.cat.default,
        aten.stack.default,
        aten.max_pool2d.default,
        aten.max_pool2d_with_indices.default,
        aten.upsample_nearest2d.default,
        aten.upsample_nearest2d.vec,
        aten.slice.Tensor,
        aten.split.Tensor,
        aten.split_with_sizes.default,
        aten.select.int,
        aten.view.default,
        aten._unsafe_view.default,
        aten.permute.default,
        aten.transpose.int,
        aten.unsqueeze.default,
        aten.squeeze.dim,
        aten.expand.default,
        aten.clone.default,
        aten.alias.default,
        aten.detach.default,
    }
)
ADDITIONS: frozenset[Any] = frozenset({aten.add.Tensor, aten.add_.Tensor})
"""A residual addition ties its tensors too: integer runtimes need both summands at the scale of the result."""


@dataclass(frozen=True)
class ValueClass:
    """Convolutions whose inputs share one scale."""

    name: str
    """Path of the first convolution, in the order of the model's modules."""
    convs: tuple[str, ...]
    tensors: int
    """Number of different tensors that they read."""


def find_value_classes(model: nn.Module, convs: Iterable[str], example: Tensor) -> list[ValueClass]:
    """Group the inputs of `convs` by one forward pass of the model in evaluation mode.

    Args:
        model: fused model, float or quantized.
        convs: paths of the convolutions to be quantized.
        example: (1, 3, H, W) image batch on the model's device.

    Raises:
        YoloqatError: a convolution did not run; names it.
    """
    modules = dict(model.named_modules())
    order = list(convs)
    tracker = _ValueClassTracker()
    inputs: dict[str, Tensor] = {}
    handles = [modules[name].register_forward_pre_hook(_record_input(inputs, tracker, name)) for name in order]
    try:
        with _evaluating(model), torch.no_grad(), tracker:
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    idle = [name for name in order if name not in inputs]
    if idle:
        raise YoloqatError(
            f"these convolutions do not run when the model processes an image: {', '.join(idle)}",
            hint="Keep them float with --keep-float.",
        )
    groups: dict[int, list[str]] = {}
    for name in order:
        groups.setdefault(tracker.root(inputs[name]), []).append(name)
    return [ValueClass(names[0], tuple(names), len({id(inputs[name]) for name in names})) for names in groups.values()]


def place_quantizers(
    model: nn.Module,
    classes: Iterable[ValueClass],
    bits: int = 8,
    weight_bits: int = 8,
    widths: Mapping[str, tuple[int, int]] | None = None,
    backend: str = DEFAULT,
) -> None:
    """Replace the convolutions of `classes` by quantized ones, in place, with one input quantizer per class.

    Args:
        model: fused float model.
        classes: the convolutions, grouped by the input quantizer they share.
        bits: bits of the inputs.
        weight_bits: bits of the weights.
        widths: path → bits of input and weights, where they differ; input bits agree within a class.
        backend: name of the quantizer library.

    Raises:
        YoloqatError: a path is not a plain convolution of this model, or the backend is not installed.
    """
    library = load_backend(backend)
    for group in classes:
        shared = None
        for name in group.convs:
            parent_path, _, attribute = name.rpartition(".")
            parent = model.get_submodule(parent_path)
            conv = getattr(parent, attribute, None)
            if type(conv) is not nn.Conv2d:
                raise YoloqatError(
                    f"{name} is not a convolution of this model",
                    hint="Use the model file that the checkpoint was made with.",
                )
            twin = library.quantize(conv, name, *(widths or {}).get(name, (bits, weight_bits)))
            if shared is None:
                shared = twin.input_quantizer
            twin.share_input_quantizer(shared)
            setattr(parent, attribute, twin)


class _ValueClassTracker(TorchDispatchMode):
    """Union-find over the tensors of a forward pass; it keeps them alive, so that ids stay unique."""

    def __init__(self) -> None:
        super().__init__()
        self._parent: dict[int, int] = {}
        self._alive: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in VALUE_PRESERVING or (func in ADDITIONS and _is_residual(args)):
            tensors = [leaf for leaf in tree_leaves((args, result)) if _is_data(leaf)]
            for other in tensors[1:]:
                self._join(tensors[0], other)
        return result

    def add(self, tensor: Tensor) -> None:
        """Add `tensor` as a class of one, unless it is in a class already."""
        if id(tensor) not in self._parent:
            self._parent[id(tensor)] = id(tensor)
            self._alive.append(tensor)

    def root(self, tensor: Tensor) -> int:
        """Return the class of `tensor`, as the id of one of its members."""
        node = id(tensor)
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def _join(self, first: Tensor, second: Tensor) -> None:
        self.add(first)
        self.add(second)
        self._parent[self.root(second)] = self.root(first)


def _is_data(leaf: object) -> bool:
    """Return whether `leaf` is a tensor of values; the index tensors of max-pooling are not."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _is_residual(args: tuple[Any, ...]) -> bool:
    first, second = args[0], args[1]
    return isinstance(second, Tensor) and first.dim() == second.dim() == 4 and first.shape == second.shape


def _record_input(
    recorded: dict[str, Tensor], tracker: _ValueClassTracker, name: str
) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        tracker.add(inputs[0])
        recorded.setdefault(name, inputs[0])

    return hook


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
