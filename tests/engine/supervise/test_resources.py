"""What a run needs to itself: by the options of our stages, or as a person asks."""

import pytest

from engine.contracts.errors import YoloqatError
from engine.contracts.options.evaluate import EvaluateOptions
from engine.contracts.options.export import ExportOptions
from engine.contracts.options.ptq import PtqOptions
from engine.contracts.options.shapes import ShapesOptions
from engine.contracts.spec import Resources
from engine.supervise import resources
from engine.supervise.resources import requested_resources, resources_of_stage

CPU = Resources(cpu=True)
THREE = [{"index": str(number), "uuid": f"GPU-{number}f00", "total_bytes": 0, "processes": []} for number in range(3)]


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "gpus_here", lambda: THREE)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "gpus_here", list)


def ptq(device: str) -> PtqOptions:
    return PtqOptions(weights="a.pt", data="d.yaml", device=device)


@pytest.mark.parametrize(
    ("device", "environment", "expected"),
    [
        ("cpu", {}, CPU),
        ("", {}, Resources(gpus=1)),
        ("", {"CUDA_VISIBLE_DEVICES": "2,1"}, Resources(gpus=1, among=["2", "1"])),
        ("", {"CUDA_VISIBLE_DEVICES": ""}, CPU),
        ("", {"CUDA_VISIBLE_DEVICES": "-1"}, CPU),
        ("0", {}, Resources(gpus=["0"])),
        ("cuda:0", {"CUDA_VISIBLE_DEVICES": "2,1"}, Resources(gpus=["2"])),
        ("1", {}, Resources(gpus=["1"], restrict=False)),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "GPU-1f"}, Resources(gpus=["1"])),
        ("7", {}, Resources()),  # the stage says that it isn't there
        ("0,1", {}, Resources()),
    ],
)
@pytest.mark.usefixtures("three_gpus")
def test_a_stage_needs_what_its_device_says(device: str, environment: dict[str, str], expected: Resources) -> None:
    assert resources_of_stage("ptq", ptq(device), environment) == expected


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_a_stage_takes_the_cpu_lane() -> None:
    assert resources_of_stage("ptq", ptq(""), {}) == CPU
    assert not resources_of_stage("ptq", ptq("0"), {})


@pytest.mark.usefixtures("three_gpus")
def test_what_computes_on_the_cpu_alone_takes_the_lane_and_drawing_takes_nothing() -> None:
    assert resources_of_stage("export", ExportOptions(weights="a.pt"), {}) == CPU
    assert resources_of_stage("evaluate", EvaluateOptions(weights="a.onnx", data="d.yaml"), {}) == CPU
    assert not resources_of_stage("shapes", ShapesOptions(), {})


@pytest.mark.usefixtures("three_gpus")
def test_a_person_asks_for_which_or_how_many() -> None:
    assert not requested_resources()
    assert requested_resources(cpu_lane=True) == CPU
    assert requested_resources(gpu="0, 2", environment={}) == Resources(gpus=["0", "2"])
    assert requested_resources(gpu="any", memory_gb=6, environment={}) == Resources(gpus=1, memory=6 * 10**9)
    assert requested_resources(gpus=2, environment={"CUDA_VISIBLE_DEVICES": "1,2"}) == Resources(
        gpus=2, among=["1", "2"]
    )


@pytest.mark.parametrize("asked", [{"gpu": "3"}, {"gpus": 4}, {"gpus": 0}, {"gpu": "0", "gpus": 1}, {"memory_gb": 3.0}])
@pytest.mark.usefixtures("three_gpus")
def test_what_cannot_be_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(YoloqatError):
        requested_resources(**asked, environment={})  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_is_refused_where_there_is_none() -> None:
    with pytest.raises(YoloqatError, match="no GPU"):
        requested_resources(gpu="any")


DIVIDED = [
    {"index": "0", "uuid": "GPU-0f00"},
    {"index": "MIG-a1", "uuid": "MIG-a1", "parent": "1"},
    {"index": "MIG-b2", "uuid": "MIG-b2", "parent": "1"},
]


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "gpus_here", lambda: DIVIDED)


@pytest.mark.usefixtures("divided")
def test_a_mig_instance_is_asked_for_by_its_uuid_or_as_any_gpu() -> None:
    assert requested_resources(gpu="MIG-a1", environment={}) == Resources(gpus=["MIG-a1"])
    assert requested_resources(gpu="any", environment={}) == Resources(gpus=1)
    assert requested_resources(gpu="any", environment={"CUDA_VISIBLE_DEVICES": "MIG-b"}) == Resources(
        gpus=1, among=["MIG-b2"]
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpu": "1"}, "GPU 1 is divided into MIG instances"),
        ({"gpu": "MIG-c3"}, "no GPU MIG-c3"),
        ({"gpu": "MIG-a1,MIG-b2"}, "one MIG instance per process"),
        ({"gpus": 2}, "there are 1 whole GPUs, not 2"),
    ],
)
@pytest.mark.usefixtures("divided")
def test_what_cuda_cannot_use_of_mig_instances_is_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(YoloqatError, match=message):
        requested_resources(**asked, environment={})  # type: ignore[arg-type]


@pytest.mark.usefixtures("divided")
def test_a_stage_sees_one_mig_instance() -> None:
    only = {"CUDA_VISIBLE_DEVICES": "MIG-b2,MIG-a1"}
    assert resources_of_stage("ptq", ptq("0"), only) == Resources(gpus=["MIG-b2"])
    assert resources_of_stage("ptq", ptq("1"), only) == Resources()
