"""Calibrators and corrections are chosen by what they do to the head."""

import pytest
import torch
from torch import Tensor, nn

from engine.models.yolo import YoloModel
from engine.quant.calibration.amax import METHODS
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.calibration.search import choose_calibrator, correct_biases
from engine.quant.head_error import HeadError
from engine.quant.placement import ValueClass
from engine.quant.quantizer import quantized_convolutions, set_quantization
from engine.quant.sensitivity import measure_by_score, measure_sensitivity, multiply_adds, plan_float
from engine.quant.state import QuantSpec, quantize_model


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def spec(narrow_tiny: YoloModel) -> QuantSpec:
    return quantize_model(narrow_tiny, weight_bits=4)


@pytest.fixture
def model(narrow_tiny: YoloModel, spec: QuantSpec, images: Tensor) -> YoloModel:
    """With eight bits for activations, four for weights, and ranges."""
    narrow_tiny.requires_grad_(False)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "max")
    return narrow_tiny


def outputs(model: YoloModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(model(images)[0])


def test_the_error_is_zero_without_quantization_and_grows_with_coarser_steps(model: YoloModel, images: Tensor) -> None:
    error = HeadError(model, [images])
    four = error(model)
    set_quantization(model, False)
    assert error(model) == 0.0
    set_quantization(model, True)
    for conv in quantized_convolutions(model).values():
        conv._weight_quantizer.num_bits = 8
    eight = error(model)
    assert 0 < eight < four


def test_the_best_calibrator_is_kept(model: YoloModel, images: Tensor) -> None:
    histograms = collect(model, [images])
    error = HeadError(model, [images])
    best, tried = choose_calibrator(model, histograms, error)
    assert {candidate.method for candidate in tried} == set(METHODS)
    assert best.error == min(candidate.error for candidate in tried)
    assert error(model) == pytest.approx(best.error)
    for candidate in tried:
        set_ranges(model, histograms, candidate.method, percentile=candidate.percentile)
        assert error(model) == pytest.approx(candidate.error), candidate.name


def test_a_bias_correction_that_helps_is_kept(model: YoloModel, images: Tensor) -> None:
    error = HeadError(model, [images])
    before, after, kept = correct_biases(model, [images], error)
    assert kept
    assert after < before
    assert error(model) == pytest.approx(after)


def test_a_bias_correction_that_does_not_help_leaves_every_bit(model: YoloModel, images: Tensor) -> None:
    expected = outputs(model, images)
    saved = {name: value.clone() for name, value in model.state_dict().items()}
    answers = iter((1.0, 2.0))
    error = HeadError(model, [images])
    error.__class__ = type("Worse", (HeadError,), {"__call__": lambda self, model: next(answers)})
    assert correct_biases(model, [images], error) == (1.0, 2.0, False)
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    assert torch.equal(outputs(model, images), expected)


def test_a_layer_with_fewer_bits_is_more_sensitive_and_the_others_are_as_before(
    model: YoloModel, images: Tensor
) -> None:
    convs = quantized_convolutions(model)
    for conv in convs.values():
        conv._weight_quantizer.num_bits = 8
    error = HeadError(model, [images])
    before = {row.name: row.error for row in measure_sensitivity(model, error, images[:1])}
    convs["model.28.conv"]._weight_quantizer.num_bits = 2
    expected = outputs(model, images)
    rows = measure_sensitivity(model, error, images[:1])
    after = {row.name: row.error for row in rows}
    assert after.pop("model.28.conv") > 5 * before.pop("model.28.conv")
    assert after == before
    assert [row.error for row in rows] == sorted((row.error for row in rows), reverse=True)
    assert torch.equal(outputs(model, images), expected), "every switch is back where it was"


def test_leaving_one_layer_float_touches_no_other(model: YoloModel, images: Tensor) -> None:
    convs = quantized_convolutions(model)
    seen: list[int] = []

    def score() -> float:
        seen.append(sum(not conv._input_quantizer._disabled for conv in convs.values()))
        return float(len(seen))

    rows = measure_by_score(model, score, images[:1])
    assert seen == [58] + [57] * 58
    assert rows[0].error == 58.0


def test_multiply_adds_are_counted(model: YoloModel, images: Tensor) -> None:
    counts = multiply_adds(model, images[:1])
    first = model.get_submodule("model.0.conv")
    assert counts["model.0.conv"] == 32 * 32 * int(first.weight.numel())  # type: ignore[arg-type]
    assert len(counts) == 58


def test_a_plan_keeps_value_classes_whole_and_its_budget(model: YoloModel, spec: QuantSpec, images: Tensor) -> None:
    error = HeadError(model, [images])
    rows = measure_sensitivity(model, error, images[:1])
    total = sum(multiply_adds(model, images[:1]).values())
    steps = plan_float(model, spec.classes, rows, error, accept=lambda e: False, least_int8=0.7, total=total)
    plan = steps[-1]
    assert plan.int8_share >= 0.7
    assert plan.error < steps[0].error
    assert [step.int8_share for step in steps] == sorted((step.int8_share for step in steps), reverse=True)
    for group in spec.classes:
        assert len(set(group.convs) & set(plan.floating)) in (0, len(group.convs)), group.name
    assert error(model) == pytest.approx(steps[0].error), "the model is left as it was"


def test_a_plan_stops_when_it_is_good_enough(model: YoloModel, spec: QuantSpec, images: Tensor) -> None:
    error = HeadError(model, [images])
    rows = measure_sensitivity(model, error, images[:1])
    limit = 0.8 * error(model)
    steps = plan_float(model, spec.classes, rows, error, accept=lambda e: e <= limit, least_int8=0.0, total=1 << 40)
    assert steps[-1].error <= limit
    assert all(step.error > limit for step in steps[:-1])
    assert isinstance(spec.classes[0], ValueClass)


class _Head(nn.Module):
    """Puts out what it is told to, plus a mistake at one cell."""

    def __init__(self, raw: Tensor) -> None:
        super().__init__()
        self.raw, self.mistake = raw, torch.zeros_like(raw)

    def forward(self, _images: Tensor) -> tuple[None, list[Tensor]]:
        return None, [self.raw + self.mistake]


def test_a_mistake_counts_where_the_float_model_sees_an_object() -> None:
    raw = torch.randn(1, 3, 4, 4, 7, generator=torch.Generator().manual_seed(0))
    raw[..., 4] = -8.0
    raw[0, 0, 1, 1, 4] = 4.0
    head = _Head(raw)
    error = HeadError(head, [torch.zeros(1, 3, 8, 8)])
    found = {}
    for name, cell in (("object", (0, 0, 1, 1)), ("background", (0, 0, 2, 2))):
        head.mistake = torch.zeros_like(raw)
        head.mistake[cell] = 0.5
        found[name] = error(head)
    assert found["object"] > 40 * found["background"] > 0
