"""The second library of quantizers computes what the first does, and is loaded where it is asked for alone."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.backends import MODULES, load_backend
from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.finetuning.learned_ranges import learn_ranges
from engine.quant.placement import place_quantizers
from engine.quant.quantizer import backend_of, quantized_convolutions, set_quantization
from engine.quant.state import QuantSpec, load_quantized, quantize_model, quantized_checkpoint
from tests.conftest import REPOSITORY

needs_modelopt = pytest.mark.skipif(importlib.util.find_spec("modelopt") is None, reason="needs yoloqat[modelopt]")
DEFAULT, MODELOPT = "pytorch-quantization", pytest.param("modelopt", marks=needs_modelopt)


def convolution(backend: str, bits: int = 8, weight_bits: int = 8) -> QuantizedConvolution:
    """One with ranges that cut into its input, and its weights."""
    torch.manual_seed(0)
    made = load_backend(backend).quantize(nn.Conv2d(3, 8, 3), "model.0.conv", bits, weight_bits)
    made.input_quantizer.set_amax(torch.tensor(0.7))
    made.weight_quantizer.set_amax(0.9 * made.weight.detach().abs().amax((1, 2, 3), keepdim=True))
    return made


def images() -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@needs_modelopt
@pytest.mark.parametrize(("bits", "weight_bits"), [(8, 8), (4, 5)])
def test_the_same_ranges_make_the_same_codes(bits: int, weight_bits: int) -> None:
    ours, theirs = (convolution(name, bits, weight_bits) for name in MODULES)
    for quantizer, other, values in (
        (ours.input_quantizer, theirs.input_quantizer, images() * 0.5),
        (ours.weight_quantizer, theirs.weight_quantizer, ours.weight.detach()),
    ):
        step = quantizer.amax / (2 ** (quantizer.num_bits - 1) - 1)
        codes, others = (made(values) / step for made in (quantizer, other))
        assert torch.equal(codes.round(), others.round())
        # They divide and multiply by the step in another order: the last bit of a float32 is all that differs.
        assert (codes - others).abs().max() < 2e-5
        assert codes.round().unique().numel() > 2 ** (quantizer.num_bits - 1)


@needs_modelopt
def test_the_gradients_are_the_same() -> None:
    x = images().to(memory_format=torch.channels_last)
    found = []
    for name in MODULES:
        conv = convolution(name)
        leaf = x.clone().requires_grad_()
        conv(leaf).square().sum().backward()
        found.append((leaf.grad, conv.weight.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)
    assert (found[1][0] == 0).float().mean() > 0.4  # outside of the range
    assert (found[1][1] == 0).sum() >= 8  # the largest weight of every channel


@pytest.mark.parametrize("backend", [DEFAULT, MODELOPT])
def test_half_and_autocast_leave_the_range_and_the_codes_alone(backend: str) -> None:
    conv = convolution(backend)
    conv.input_quantizer.set_amax(torch.tensor(1e-3))
    before = conv.input_quantizer.amax.clone()
    conv.half().float()
    assert torch.equal(conv.input_quantizer.amax, before)
    x = torch.linspace(-1e-3, 1e-3, 1001).half()
    assert torch.equal(conv.input_quantizer(x), conv.input_quantizer(x.float()).half())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(images()).isfinite().all()


@pytest.mark.parametrize("backend", [DEFAULT, MODELOPT])
def test_nothing_is_quantized_without_a_range(backend: str) -> None:
    conv = load_backend(backend).quantize(nn.Conv2d(3, 4, 3), "model.0.conv", 8, 8)
    with pytest.raises(YoloqatError, match=r"model\.0\.conv has no range"):
        conv(torch.rand(1, 3, 8, 8))


@needs_modelopt
def test_a_model_has_the_classes_the_ranges_and_the_float_self_of_the_default(narrow_tiny: YoloModel) -> None:
    source = Checkpoint(
        model_state=narrow_tiny.state_dict(), config=narrow_tiny.config.to_plain(), names=narrow_tiny.names, act="relu"
    )
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        floating = narrow_tiny(x)[0]
    spec = quantize_model(narrow_tiny, backend="modelopt")
    set_ranges(narrow_tiny, collect(narrow_tiny, [x]), "mse")
    assert (backend_of(narrow_tiny), len(spec.classes)) == ("modelopt", 27)
    convs = quantized_convolutions(narrow_tiny)
    for group in spec.classes:
        assert len({id(convs[name].input_quantizer) for name in group.convs}) == 1
    saved = quantized_checkpoint(narrow_tiny, spec, source)
    loaded = load_quantized(saved)
    with torch.no_grad():
        assert torch.equal(loaded(x)[0], narrow_tiny(x)[0])
        set_quantization(loaded, False)
        assert torch.equal(loaded(x)[0], floating)
    with pytest.raises(YoloqatError, match="modelopt cannot learn ranges"):
        learn_ranges(loaded)
    assert (QuantSpec.from_plain(saved.quant or {}).backend, (saved.quant or {})["schema"]) == ("modelopt", 3)


def test_a_checkpoint_that_names_no_backend_is_of_the_default(narrow_tiny: YoloModel) -> None:
    plain = quantize_model(narrow_tiny).to_plain()
    assert plain["schema"] == 1
    del plain["backend"]
    assert QuantSpec.from_plain(plain).backend == DEFAULT


def test_a_backend_that_nobody_knows_is_refused(narrow_tiny: YoloModel) -> None:
    with pytest.raises(YoloqatError, match="unknown quantization backend 'torchao'") as refusal:
        place_quantizers(narrow_tiny, [], backend="torchao")
    assert "pytorch-quantization, modelopt" in str(refusal.value)


WITHOUT_MODELOPT = """
import sys
from engine.contracts.errors import YoloqatError
from engine.models.checkpoint import load_checkpoint
from engine.quant.state import load_quantized
import engine.export.onnx_export, engine.stages.ptq, engine.stages.qat
load_quantized(load_checkpoint(sys.argv[1]))
checkpoint = load_checkpoint(sys.argv[2])
assert not [name for name in sys.modules if name.split(".")[0] == "modelopt"]
sys.meta_path.insert(0, type("Absent", (), {"find_spec": staticmethod(
    lambda name, *_: (_ for _ in ()).throw(ModuleNotFoundError(f"No module named {name!r}"))
    if name.split(".")[0] == "modelopt" else None)}))
try:
    load_quantized(checkpoint)
except YoloqatError as error:
    print(error)
"""


@pytest.mark.slow
def test_the_default_never_loads_the_second_and_where_it_is_missing_that_is_said(
    narrow_tiny: YoloModel, tmp_path: Path
) -> None:
    source = Checkpoint(
        model_state=narrow_tiny.state_dict(), config=narrow_tiny.config.to_plain(), names=narrow_tiny.names, act="relu"
    )
    spec = quantize_model(narrow_tiny)
    set_ranges(narrow_tiny, collect(narrow_tiny, [torch.rand(1, 3, 64, 64)]), "max")
    saved = quantized_checkpoint(narrow_tiny, spec, source)
    save_checkpoint(tmp_path / "default.pt", saved)
    saved.quant = {**(saved.quant or {}), "backend": "modelopt", "schema": 3}
    save_checkpoint(tmp_path / "modelopt.pt", saved)
    assert load_checkpoint(tmp_path / "modelopt.pt").quant == saved.quant
    files = [str(tmp_path / name) for name in ("default.pt", "modelopt.pt")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODELOPT, *files], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "the quantization backend modelopt cannot be imported: No module named 'modelopt'\n"
        "  Install it: pip install 'yoloqat[modelopt]'\n"
    )
