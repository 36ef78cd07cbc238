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
