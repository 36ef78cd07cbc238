"""A command's own `--device` beside its lease."""

import pytest

from engine.contracts.errors import YoloqatError
from engine.contracts.spec import Resources
from engine.supervise import device_option
from engine.supervise.device_option import device_of_command, reconcile_devices

THREE = [{"index": str(number), "uuid": f"GPU-{number}f00", "total_bytes": 0, "processes": []} for number in range(3)]


@pytest.fixture(autouse=True)
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_option, "gpus_here", lambda: THREE)


@pytest.mark.parametrize(
    ("command", "device"),
    [
        ("python train.py --device 0", ["0"]),
        ("python train.py --device=0,1", ["0", "1"]),
        ("python train.py --device cuda:2 --epochs 3", ["2"]),
        ("yolo train device=1 epochs=3", ["1"]),
        ("yolo train device=[0,1]", ["0", "1"]),
        ("python train.py --device cpu", ["cpu"]),
        ("python train.py --device 0 --device 1", ["1"]),
        ("python train.py --device", None),
        ("python train.py --device mps", None),
        ("python train.py --epochs 0", None),
        ("python train.py device 0", None),
        ("docker run --gpus device=1 image python train.py --device 0", None),
    ],
)
def test_what_a_command_line_says_of_its_device(command: str, device: list[str] | None) -> None:
    assert device_of_command(command.split()) == device


@pytest.mark.parametrize(
    ("asked", "device", "leased"),
    [
        (Resources(gpus=["1"]), "1", Resources(gpus=["1"], restrict=False)),
        (Resources(gpus=["GPU-1f"]), "1", Resources(gpus=["GPU-1f"], restrict=False)),
        (Resources(gpus=1), "2", Resources(gpus=["2"], restrict=False)),
        (Resources(gpus=2, among=["0", "1"]), "0,2", Resources(gpus=["0", "2"], restrict=False)),
        (Resources(gpus=1, memory=5), "0", Resources(gpus=["0"], memory=5, restrict=False)),
        (Resources(), "0", Resources()),
        (Resources(cpu=True), "0", Resources(cpu=True)),
    ],
)
def test_a_lease_follows_the_command(asked: Resources, device: str, leased: Resources) -> None:
    assert reconcile_devices(asked, ["python", "train.py", "--device", device]) == leased


@pytest.mark.parametrize(
    ("asked", "device"),
    [
        (Resources(gpus=["1"]), "0"),
        (Resources(gpus=2), "0"),
        (Resources(gpus=1), "cpu"),
        (Resources(gpus=["0", "1"]), "0"),
    ],
)
def test_a_lease_of_other_gpus_is_refused_with_both_ways_out(asked: Resources, device: str) -> None:
    command = ["python", "train.py", "--device", device]
    with pytest.raises(YoloqatError) as refused:
        reconcile_devices(asked, command)
    assert f"(--device {device})" in refused.value.what
    assert "Take --device out" in refused.value.hint
    assert "--anyway" in refused.value.hint
    assert reconcile_devices(asked, command, anyway=True) == asked


@pytest.mark.parametrize("asked", [Resources(gpus=1), Resources(gpus=["MIG-a1"])])
def test_a_device_number_means_no_particular_mig_instance(monkeypatch: pytest.MonkeyPatch, asked: Resources) -> None:
    divided = [{"index": "MIG-a1", "uuid": "MIG-a1", "parent": "0"}, {"index": "1", "uuid": "GPU-1f00"}]
    monkeypatch.setattr(device_option, "gpus_here", lambda: divided)
    with pytest.raises(YoloqatError, match="on the first MIG instance of GPU 0"):
        reconcile_devices(asked, ["python", "train.py", "--device", "0"])
    assert reconcile_devices(Resources(gpus=1), ["python", "train.py", "--device", "1"]).gpus == ["1"]
    assert reconcile_devices(asked, ["python", "train.py", "--device", "0"], anyway=True) == asked
