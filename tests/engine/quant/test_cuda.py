"""On a GPU: the codes and ranges of the CPU, and no wait for the device in a fake quantizer."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from engine.models.yolo import YoloModel
from engine.quant.backends.pytorch_quantization import Quantizer
from engine.quant.calibration.amax import METHODS, find_amax
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.fake_quantization import fake_quantize, learned_fake_quantize
from engine.quant.finetuning.finetune import make_trainable
from engine.quant.finetuning.learned_ranges import learn_ranges
from engine.quant.quantizer import input_quantizers
from engine.quant.state import quantize_model
from tests.engine.quant.ties import same_but_for_ties

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
GPU = torch.device("cuda")
FORMATS = [torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture
def exact() -> Iterator[None]:
    """Convolutions in fp32, as our stages have them; TF32 keeps ten bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever waits for the device raises."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("bits", [4, 8])
def test_codes_and_gradients_are_the_cpus(dtype: torch.dtype, bits: int) -> None:
    generator = torch.Generator().manual_seed(bits)
    x = (torch.randn(32, 64, 40, 40, generator=generator) * 3).to(dtype)
    for amax in (torch.tensor(2.7), torch.rand(32, 1, 1, 1, generator=generator) * 3 + 1e-3):
        results = []
        for device in (torch.device("cpu"), GPU):
            given = x.to(device).requires_grad_()
            result = fake_quantize(given, amax.to(device), bits)
            result.sum().backward()
            assert given.grad is not None
            results.append((result.detach().cpu(), given.grad.cpu()))
        (ours, ours_gradient), (theirs, theirs_gradient) = results
        same_but_for_ties(x, amax, bits, ours, theirs)
        assert torch.equal(ours_gradient, theirs_gradient)


def test_learned_ranges_have_the_cpus_gradients() -> None:
    x = torch.randn(4, 16, 20, 20, generator=torch.Generator().manual_seed(1))
    gradients = []
    for device in (torch.device("cpu"), GPU):
        amax = torch.tensor(1.5, device=device, requires_grad=True)
        learned_fake_quantize(x.to(device), amax, 4).square().sum().backward()
        assert amax.grad is not None
        gradients.append(float(amax.grad))
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-5)


@pytest.mark.usefixtures("exact")
def test_ranges_are_the_cpus_within_one_bin(narrow_tiny: YoloModel, images: Tensor) -> None:
    quantize_model(narrow_tiny)
    on_gpu = copy.deepcopy(narrow_tiny).to(GPU)
    ours, theirs = collect(narrow_tiny, [images]), collect(on_gpu, [images])
    assert len(ours) == len(input_quantizers(narrow_tiny)) > 20
    for name, histogram in ours.items():
        assert theirs[name].elements == histogram.elements
        for method in METHODS:
            found = find_amax(theirs[name], method)
            assert abs(found - find_amax(histogram, method)) <= histogram.width * 1.001, (name, method)


@pytest.mark.parametrize("learned", [False, True])
def test_quantizers_never_wait_for_the_device(narrow_tiny: YoloModel, images: Tensor, learned: bool) -> None:
    quantize_model(narrow_tiny)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "max")
    make_trainable(narrow_tiny)
    if learned:
        learn_ranges(narrow_tiny)
    model = narrow_tiny.to(GPU).train()
    given = images.to(GPU)
    for _ in range(2):  # what the first pass sets up may wait
        with torch.autocast("cuda"):
            sum(raw.float().mean() for raw in model(given)).backward()  # type: ignore[union-attr]
    with no_waiting(), torch.autocast("cuda"):
        sum(raw.float().mean() for raw in model(given)).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    ranges = [m.amax for m in model.modules() if isinstance(m, Quantizer)]
    assert all(amax.dtype == torch.float32 and amax.is_cuda for amax in ranges)


def test_small_ranges_survive_fp16() -> None:
    """127 / 0.001 overflows fp16."""
    x = torch.linspace(-2e-3, 2e-3, 401, device=GPU).half()
    assert fake_quantize(x, torch.tensor(1e-3, device=GPU), 8).unique().numel() > 100
