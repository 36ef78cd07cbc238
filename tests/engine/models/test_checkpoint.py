"""Checkpoints of ours and of the original, and files that only look like one."""

import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from engine.contracts.errors import YoloqatError
from engine.models.checkpoint import Checkpoint, load_checkpoint, model_from_checkpoint, save_checkpoint
from engine.models.config import load_model_config
from engine.models.yolo import YoloModel, build_model

FORGER = """
import sys, types
import torch
from torch import nn

sys.path.insert(0, sys.argv[2])
from engine.models import blocks, heads
from engine.models.config import load_model_config
from engine.models.yolo import YoloModel, build_model

torch.manual_seed(3)
model = build_model(load_model_config("yolov7-tiny"), nc=3, names=["a", "b", "c"], act="relu", width=0.25)
torch.save(model.state_dict(), sys.argv[1] + ".state")
plain = model.config.to_plain()
model.yaml, model.nc = {**plain, "ch": 3}, 3
del model.config
# The classes take the names that the original's pickles carry.
for package, classes in {"models.common": vars(blocks), "models.yolo": {**vars(heads), "Model": YoloModel}}.items():
    module = types.ModuleType(package)
    for name, value in classes.items():
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__.startswith("engine"):
            value.__module__ = package
            if name == "Model":
                value.__qualname__ = value.__name__ = "Model"
            setattr(module, name, value)
    sys.modules[package] = module
sys.modules["models"] = types.ModuleType("models")
torch.save({"epoch": -1, "model": None, "ema": model.half(), "optimizer": None}, sys.argv[1])
"""


def tiny() -> YoloModel:
    return build_model(load_model_config("yolov7-tiny"), names=["a", "b"], act="relu", width=0.125)


def test_a_checkpoint_is_plain_data_and_comes_back_bit_identical(tmp_path: Path) -> None:
    model = tiny().eval()
    path = tmp_path / "best.pt"
    save_checkpoint(path, Checkpoint(model.state_dict(), model.config.to_plain(), model.names, model.act))
    assert isinstance(torch.load(path, weights_only=True), dict)
    again = model_from_checkpoint(load_checkpoint(path))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(images)[0], model(images)[0])
    assert (again.names, again.act, again.stride.tolist()) == (["a", "b"], "relu", [8.0, 16.0, 32.0])


def test_a_failed_write_leaves_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    model = tiny()
    checkpoint = Checkpoint(model.state_dict(), model.config.to_plain(), model.names)
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, checkpoint)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_the_original_is_read_without_its_classes(tmp_path: Path) -> None:
    path = tmp_path / "original.pt"
    repository = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", FORGER, str(path), str(repository)], check=True)
    checkpoint = load_checkpoint(path)
    expected = torch.load(f"{path}.state", weights_only=True)
    assert list(checkpoint.model_state) == list(expected)
    for key, value in expected.items():
        assert torch.equal(checkpoint.model_state[key].half(), value.half()), key
    model = model_from_checkpoint(checkpoint)
    assert model.names == ["a", "b", "c"]
    assert {type(m) for m in model.modules() if "activation" in type(m).__module__} == {torch.nn.ReLU}


class _Payload:
    def __reduce__(self) -> object:
        return os.system, ("touch pwned",)


def test_a_pickle_that_tries_to_run_code_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", pickle.dumps({"model": _Payload()}, protocol=2))
        archive.writestr("evil/version", "3")
    with pytest.raises(YoloqatError, match="no code was run"):
        load_checkpoint(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 75587165\n", "Git LFS pointer"),
        (os.urandom(4096), "not a PyTorch checkpoint"),
        (b"", "not a PyTorch checkpoint"),
        (b"PK\x03\x04" + b"\0" * 5000, "truncated after 5004 bytes"),
        (pickle.dumps({"model": _Payload()}), "not a PyTorch checkpoint"),
    ],
    ids=["lfs", "random", "empty", "truncated", "bare-pickle"],
)
def test_what_is_no_checkpoint_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(YoloqatError, match=says) as caught:
        load_checkpoint(path)
    assert caught.value.hint
    assert str(path) in str(caught.value)


def test_a_newer_schema_is_told(tmp_path: Path) -> None:
    path = tmp_path / "new.pt"
    save_checkpoint(path, Checkpoint({}, {}, [], schema=99))
    with pytest.raises(YoloqatError, match="newer version"):
        load_checkpoint(path)


@pytest.mark.parametrize("name", ["yolov7-lfs-pointer.pt", "yolov7-tiny-truncated.pt"])
def test_files_that_users_really_have(shared: Path, name: str) -> None:
    with pytest.raises(YoloqatError, match=r"LFS pointer|truncated"):
        load_checkpoint(shared / "data" / "weights-bad" / name)
