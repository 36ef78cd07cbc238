"""NVML, through the real nvidia-ml-py and a stand-in for the driver's library that lies beside this file."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.contracts.spec import Resources
from engine.contracts.states import RunState
from engine.supervise.gpu.inventory import query_command
from engine.supervise.gpu.usage import usage_command

COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(
    COMPILER is None or importlib.util.find_spec("pynvml") is None, reason="no C compiler here, or no nvidia-ml-py"
)
GPU = Resources(gpus=["1"])
SECOND = {
    "index": "1",
    "utilization_percent": 97,
    "memory_used_bytes": 9_800_000_000,
    "memory_bytes": 80_000_000_000,
    "power_watts": 312.4,
    "temperature_celsius": 61,
}


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says who computes: GPU, pid and bytes of each. A nvidia-smi is there, and must not be asked."""
    folder = tmp_path / "driver"
    folder.mkdir()
    source = Path(__file__).with_name("nvml.c")
    subprocess.run(
        [str(COMPILER), "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(source)], check=True
    )
    smi = folder / "nvidia-smi"
    smi.write_text("#!/bin/sh\nexit 9\n")
    smi.chmod(0o755)
    told = folder / "processes"
    told.write_text("")
    monkeypatch.setenv("YOLOQAT_TEST_NVML", str(told))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("YOLOQAT_LEASES", str(tmp_path / "leases"))
    monkeypatch.delenv("YOLOQAT_NVML", raising=False)
    return told


def samples(run):
    if not run.attempt.system.exists():
        return []
    return [json.loads(line)["gpus"] for line in run.attempt.system.read_text().splitlines()]


def test_a_gpu_with_a_strangers_process_is_not_taken(lab, processes):
    processes.write_text(f"1 {os.getpid()} 9800000000\n")
    run = lab.shell("true", resources=GPU)
    run.until_state(RunState.QUEUED)
    run.until(lambda: run.state().reason == f"GPU 1 busy: pid {os.getpid()}, 9.8 GB, not ours")
    processes.write_text("")
    run.until_state(RunState.SUCCEEDED, 20)


def test_its_numbers_stand_in_the_samples(lab, processes):
    run = lab.shell("exec sleep 60", resources=GPU, sample_seconds=0.2)
    run.until(lambda: [{**SECOND, "run_memory_bytes": None}] in samples(run))
    processes.write_text(f"1 {run.stage_pid} 5000000000\n1 {os.getpid()} 1\n")
    run.until(lambda: samples(run)[-1] == [{**SECOND, "run_memory_bytes": 5_000_000_000}])


def test_without_a_lease_a_run_has_the_gpus_on_which_its_processes_are_seen(lab, processes):
    run = lab.shell("exec sleep 60")
    run.until_started()
    processes.write_text(f"0 {os.getpid()} 1000\n")
    command = [*usage_command(), "0.1", str(run.attempt.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as helper:
        assert helper.stdout is not None
        assert json.loads(helper.stdout.readline()) == []
        processes.write_text(f"0 {os.getpid()} 1000\n0 {run.stage_pid} 300000000\n")
        told = next(line for line in map(json.loads, helper.stdout) if line)
        helper.send_signal(signal.SIGKILL)
    assert told == [
        {
            "index": "0",
            "utilization_percent": 0,
            "memory_used_bytes": 500_000_000,
            "memory_bytes": 80_000_000_000,
            "power_watts": 312.4,
            "temperature_celsius": None,
            "run_memory_bytes": 300_000_000,
        }
    ]


def test_the_helper_ends_quietly_when_nobody_reads_it(processes):
    command = [*usage_command(), "0.1", "/nowhere", "1"]
    helper = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert helper.stdout is not None
    assert helper.stdout.readline()
    helper.stdout.close()
    assert helper.wait(10) == 0
    assert helper.stderr is not None
    assert helper.stderr.read() == b""
    helper.stderr.close()


def test_a_driver_that_refuses_leaves_it_to_nvidia_smi(processes, monkeypatch):
    monkeypatch.delenv("YOLOQAT_TEST_NVML")
    done = subprocess.run([*usage_command(), "0.1", "/nowhere", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nvidia-smi: exit code 9" in done.stderr
    assert "Traceback" not in done.stderr
    assert sys.executable in usage_command()


def test_a_process_on_a_gpu_outside_of_the_lease_is_a_lasting_mark_of_the_run(lab, processes):
    run = lab.gated("true", resources=GPU, sample_seconds=0.2)
    run.until(lambda: samples(run) and samples(run)[-1])
    processes.write_text(f"0 {os.getpid()} 700\n1 {run.stage_pid} 300\n")
    run.until(lambda: samples(run)[-1][0]["run_memory_bytes"] == 300)
    assert run.state().gpus_outside_lease == (), "a stranger's process, and one on the GPU of the lease"
    processes.write_text(f"0 {run.stage_pid} 300000000\n")
    run.until(lambda: run.state().gpus_outside_lease == ("0",))
    outside, leased = samples(run)[-1]
    assert (outside["index"], outside["outside_lease"], outside["run_memory_bytes"]) == ("0", True, 300_000_000)
    assert "outside_lease" not in leased
    processes.write_text("")
    run.until(lambda: len(samples(run)[-1]) == 1)
    lab.open_gate()
    assert run.until_state(RunState.SUCCEEDED).gpus_outside_lease == ("0",)


def test_without_a_lease_no_gpu_is_outside_of_it(lab, processes):
    run = lab.shell("exec sleep 60")
    run.until_started()
    processes.write_text(f"0 {run.stage_pid} 300000000\n")
    command = [*usage_command(), "0.1", str(run.attempt.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as helper:
        assert helper.stdout is not None
        [seen] = json.loads(helper.stdout.readline())
        helper.send_signal(signal.SIGKILL)
    assert seen["index"] == "0"
    assert "outside_lease" not in seen


@pytest.fixture
def mig(processes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The second GPU is divided into two MIG instances."""
    monkeypatch.setenv("YOLOQAT_TEST_MIG", "1")
    return processes


def test_mig_instances_are_found_in_the_place_of_their_gpu(mig):
    mig.write_text(f"3 {os.getpid()} 4711\n")
    found = json.loads(subprocess.check_output(query_command(), text=True))["gpus"]
    assert [(gpu["index"], gpu["uuid"], gpu.get("parent")) for gpu in found] == [
        ("0", "GPU-0000", None),
        ("MIG-2f00-5afc", "MIG-2f00-5afc", "1"),
        ("MIG-3f00-5afc", "MIG-3f00-5afc", "1"),
    ]
    assert found[1]["processes"] == []
    assert found[2]["processes"] == [{"pid": os.getpid(), "bytes": 4711}]


def test_a_mig_instance_is_leased_by_its_uuid(lab, mig, tmp_path):
    script = "echo $CUDA_VISIBLE_DEVICES; exec sleep 60"
    run = lab.shell(script, name="first", resources=Resources(gpus=["MIG-2f00"]), sample_seconds=0.2)
    run.until_printed("MIG-2f00-5afc\n")
    assert run.process.leases == ["gpu-MIG-2f00-5afc"]
    assert (tmp_path / "leases" / "gpu-MIG-2f00-5afc").exists()
    second = lab.shell("true", resources=Resources(gpus=["MIG-2f00-5afc"]))
    second.until(lambda: second.state().reason == "GPU MIG-2f00-5afc busy: run first")
    run.until(lambda: samples(run) and samples(run)[-1])
    [sample] = samples(run)[-1]
    assert (sample["index"], sample["memory_bytes"], sample["utilization_percent"]) == (
        "MIG-2f00-5afc",
        80_000_000_000,
        None,
    )
    mig.write_text(f"3 {run.stage_pid} 1000\n")
    run.until(lambda: run.state().gpus_outside_lease == ("MIG-3f00-5afc",))
    mig.write_text("")
    others = [lab.shell(script, resources=Resources(gpus=1)) for _ in range(2)]
    for other, visible in zip(others, ("GPU-0000", "MIG-3f00-5afc"), strict=True):
        other.until_printed(f"{visible}\n", 20)


def test_a_gpu_that_is_divided_cannot_be_leased_as_a_whole(lab, mig):
    run = lab.shell("true", resources=GPU)
    reason = run.until_state(RunState.COULD_NOT_START).reason
    assert reason.startswith("there is no GPU 1 here (there are GPU 0, GPU MIG-2f00-5afc")
