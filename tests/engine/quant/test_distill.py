"""The distance to the float model: its value, its gradient, and what it leaves alone."""

import copy

import pytest
import torch
from torch import Tensor

from engine.models.yolo import YoloModel
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import make_trainable
from engine.quant.quantizer import set_quantization
from engine.quant.state import quantize_model


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def student(narrow_tiny: YoloModel, images: Tensor) -> YoloModel:
    quantize_model(narrow_tiny, bits=4, weight_bits=4)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "mse")
    make_trainable(narrow_tiny)
    return narrow_tiny.train()


def features(model: YoloModel, layers: list[int], images: Tensor) -> list[Tensor]:
    found: list[Tensor] = []
    handles = [model.model[i].register_forward_hook(lambda *a: found.append(a[2])) for i in layers]
    model(images)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("normalised", [True, False])
def test_value_and_gradient_are_those_of_the_formula(student: YoloModel, images: Tensor, normalised: bool) -> None:
    teacher = copy.deepcopy(student)
    layers = [0, 2, 4]
    distillation = FeatureDistillation(student, teacher, layers, normalised=normalised)
    student(images)
    value = distillation(images)
    value.backward()
    weight = student.get_submodule("model.1.conv").weight
    got = weight.grad.clone()  # type: ignore[union-attr,operator]
    weight.grad = None
    with torch.no_grad():
        theirs = features(teacher, layers, images)
    pairs = zip(features(student, layers, images), theirs, strict=True)
    terms = [(a - b).square().mean() / (b.square().mean() if normalised else 1.0) for a, b in pairs]
    expected = torch.stack(terms).mean() if normalised else torch.stack(terms).sum()
    expected.backward()  # type: ignore[no-untyped-call]
    assert value.item() > 0
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(got, weight.grad, rtol=1e-3, atol=1e-7)


def test_a_student_that_computes_in_float_is_at_distance_zero(student: YoloModel, images: Tensor) -> None:
    distillation = FeatureDistillation(student, copy.deepcopy(student))
    assert len(distillation.layers) > 50
    set_quantization(student, False)
    student(images)
    assert float(distillation(images)) == 0.0


def test_silent_layers_give_no_infinite_distance(student: YoloModel, images: Tensor) -> None:
    teacher = copy.deepcopy(student)
    with torch.no_grad():
        for parameter in teacher.get_submodule("model.20").parameters():
            parameter.zero_()
    distillation = FeatureDistillation(student, teacher, [20])
    student(images)
    value = distillation(images)
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(p.grad).all() for p in student.parameters() if p.grad is not None)


def test_evaluations_are_not_watched_and_nothing_is_kept_alive(student: YoloModel, images: Tensor) -> None:
    distillation = FeatureDistillation(student, copy.deepcopy(student), [5])
    student.eval()
    with torch.no_grad():
        student(images)
    assert distillation._student == {}
    student.train()
    student(images)
    distillation(images)
    assert distillation._student == distillation._teacher == {}
    distillation.close()
    student(images)
    assert distillation._student == {}
    assert all(p.grad is None and not p.requires_grad for p in distillation.teacher.parameters())
