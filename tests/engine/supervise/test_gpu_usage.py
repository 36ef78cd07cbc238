"""How hard GPUs work, in the samples of a run: by a nvidia-smi that says what the test wants, and by a real driver."""

import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.contracts.spec import Resources
from engine.contracts.states import RunState
from engine.runner.processes.children import all_processes, marker_of
from engine.runner.processes.gpu_monitor import CONTROL_DEVICE
from engine.supervise.gpu.inventory import query_command
from engine.supervise.stop import request_stop

GPU = Resources(gpus=["1"])
SMI = """#!/bin/sh
case $1 in
--query-gpu=index,uuid,*) printf '0, GPU-0000, 81559\\n1, GPU-1111, 81559\\n' ;;
--query-compute-apps=*) cat {apps} ;;
-L) cat {listing} ;;
-q) cat {report} ;;
--query-gpu=*) echo "0, 5, 10, 81559, 80.10, 30"; echo "1, $(cat {load}), 9346, 81559, 312.40, [N/A]" ;;
esac
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A nvidia-smi with two GPUs, of which the second works."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "nvidia-smi"
    names = ("load", "apps", "listing", "report")
    script.write_text(SMI.format(**{name: folder / name for name in names}))
    for name in names:
        (folder / name).write_text("")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (folder / "load").write_text("97")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("YOLOQAT_NVML", "0")
    monkeypatch.setenv("YOLOQAT_LEASES", str(tmp_path / "leases"))
    return folder


def sampled(run):
    """The samples that tell of a GPU."""
    if not run.attempt.system.exists():
        return []
    return [line["gpus"] for line in map(json.loads, run.attempt.system.read_text().splitlines()) if line["gpus"]]


def helpers(run):
    """Living helpers of a run: other workers of this test run have their own."""
    table = all_processes().values()
    marked = [each.pid for each in table if each.state not in "ZX" and marker_of(each.pid) == "gpu usage"]
    return [pid for pid in marked if str(run.attempt.path) in command_line(pid)]


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_the_samples_tell_of_the_gpu_that_the_run_has(lab, driver):
    run = lab.shell("exec sleep 60", resources=GPU, sample_seconds=0.2)
    run.until(lambda: sampled(run))
    [gpu] = sampled(run)[-1]
    assert gpu == {
        "index": "1",
        "utilization_percent": 97,
        "memory_used_bytes": 9346 << 20,
        "memory_bytes": 81559 << 20,
        "power_watts": 312.4,
        "temperature_celsius": None,
        "run_memory_bytes": None,
    }
    (driver / "load").write_text("12")
    run.until(lambda: sampled(run)[-1][0]["utilization_percent"] == 12)


def test_a_driver_that_fails_once_is_asked_again(lab, driver):
    run = lab.shell("exec sleep 60", resources=GPU, sample_seconds=0.2)
    run.until(lambda: sampled(run))
    script = driver / "nvidia-smi"
    script.rename(driver / "away")
    count = len(sampled(run))
    time.sleep(1)
    (driver / "load").write_text("31")
    (driver / "away").rename(script)
    run.until(lambda: sampled(run)[count:] and sampled(run)[-1][0]["utilization_percent"] == 31)


def test_the_helper_goes_with_the_run_and_is_no_process_of_it(lab, driver):
    run = lab.run(["sleep", "60"], resources=GPU, sample_seconds=0.2)
    run.until(lambda: sampled(run))
    assert len(helpers(run)) == 1
    assert run.living() == [run.stage_pid]
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED)
    run.until(lambda: helpers(run) == [])
    assert run.outcome.leftovers == 0


def test_the_helper_goes_when_its_runner_is_killed(lab, driver):
    run = lab.shell("exec sleep 60", resources=GPU, sample_seconds=0.2)
    run.until(lambda: sampled(run))
    run.kill_runner()
    run.until(lambda: helpers(run) == [])
    assert run.state().state is RunState.RUNNING


def test_a_helper_that_is_killed_or_hangs_costs_the_numbers_alone(lab, driver):
    run = lab.gated("true", resources=GPU, sample_seconds=0.2)
    run.until(lambda: sampled(run))
    [helper] = helpers(run)
    os.kill(helper, signal.SIGSTOP)
    told = len(sampled(run))
    run.until(lambda: '"gpus":[]' in run.attempt.system.read_text().splitlines()[-1])
    os.kill(helper, signal.SIGKILL)
    time.sleep(0.5)
    lab.open_gate()
    run.until_state(RunState.SUCCEEDED)
    assert told > 0
    assert run.outcome.leftovers == 0


def test_a_run_that_computes_on_the_cpu_has_no_helper(lab, driver):
    run = lab.shell("exec sleep 60", resources=Resources(cpu=True), sample_seconds=0.2, cpu_lane=0)
    run.until(lambda: run.attempt.system.exists() and run.attempt.system.read_text().count("\n") > 2)
    assert sampled(run) == []
    assert helpers(run) == []


def test_a_process_outside_of_the_lease_is_seen_by_nvidia_smi_too(lab, driver):
    run = lab.shell("exec sleep 60", resources=GPU, sample_seconds=0.1)
    run.until(lambda: sampled(run))
    (driver / "apps").write_text(f"GPU-0000, {os.getpid()}, 5\nGPU-1111, {run.stage_pid}, 5\n")
    time.sleep(1)
    assert run.state().gpus_outside_lease == ()
    (driver / "apps").write_text(f"GPU-0000, {run.stage_pid}, 300\n")
    run.until(lambda: run.state().gpus_outside_lease == ("0",), 10)
    outside = sampled(run)[-1][-1]
    assert (outside["index"], outside["run_memory_bytes"], outside["outside_lease"]) == ("0", 300 << 20, True)


LISTING = """GPU 0: NVIDIA H100 (UUID: GPU-0000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-1111)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d)
  MIG 1g.5gb      Device  1: (UUID: MIG-GPU-1111/5/0)
"""
REPORT = """<?xml version="1.0" ?><!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd"><nvidia_smi_log>
<gpu id="00000000:07:00.0"><mig_devices>None</mig_devices><uuid>GPU-0000</uuid></gpu>
<gpu id="00000000:15:00.0"><mig_mode><current_mig>Enabled</current_mig></mig_mode><mig_devices>
<mig_device><index>0</index><gpu_instance_id>1</gpu_instance_id><compute_instance_id>0</compute_instance_id>
<fb_memory_usage><total>20096 MiB</total></fb_memory_usage></mig_device>
<mig_device><index>1</index><gpu_instance_id>5</gpu_instance_id><compute_instance_id>0</compute_instance_id>
<fb_memory_usage><total>4864 MiB</total></fb_memory_usage></mig_device>
</mig_devices><uuid>GPU-1111</uuid><processes><process_info><gpu_instance_id>5</gpu_instance_id>
<compute_instance_id>0</compute_instance_id><pid>{pid}</pid><used_memory>149 MiB</used_memory></process_info>
</processes>
</gpu></nvidia_smi_log>"""


def test_mig_instances_are_found_and_leased_by_nvidia_smi(lab, driver, tmp_path):
    (driver / "listing").write_text(LISTING)
    (driver / "report").write_text(REPORT.format(pid=os.getpid()))
    found = json.loads(subprocess.check_output(query_command(), text=True))["gpus"]
    assert found == [
        {"index": "0", "uuid": "GPU-0000", "total_bytes": 81559 << 20, "processes": []},
        {
            "index": "MIG-c7384736-a75d",
            "uuid": "MIG-c7384736-a75d",
            "total_bytes": 20096 << 20,
            "processes": [],
            "parent": "1",
        },
        {
            "index": "MIG-GPU-1111/5/0",
            "uuid": "MIG-GPU-1111/5/0",
            "total_bytes": 4864 << 20,
            "processes": [{"pid": os.getpid(), "bytes": 149 << 20}],
            "parent": "1",
        },
    ]
    run = lab.shell("true", resources=Resources(gpus=["MIG-GPU-1111/5/0"]))
    run.until(lambda: "not ours" in run.state().reason, 10)
    (driver / "report").write_text(REPORT.format(pid=""))
    run.until_state(RunState.SUCCEEDED, 20)
    assert run.process.leases == ["gpu-MIG-GPU-1111/5/0"]
    assert (tmp_path / "leases" / "gpu-MIG-GPU-1111_5_0").exists()
    held = lab.shell("exec sleep 60", resources=Resources(gpus=["MIG-c7384736"], memory=10**9), sample_seconds=0.2)
    held.until(lambda: sampled(held))
    (driver / "report").write_text(REPORT.format(pid=held.stage_pid))
    held.until(lambda: held.state().gpus_outside_lease == ("MIG-GPU-1111/5/0",), 10)


COMPUTE = """
import time, torch
x = torch.randn(4096, 4096, device="cuda")
while True:
    x = (x @ x).tanh()
    torch.cuda.synchronize()
"""


@pytest.mark.skipif(
    not os.path.exists(CONTROL_DEVICE) or importlib.util.find_spec("pynvml") is None,
    reason="no GPU here, or no nvidia-ml-py",
)
@pytest.mark.parametrize("resources", [Resources(gpus=["0"]), Resources()], ids=["leased", "seen"])
def test_a_real_gpu(lab, tmp_path, monkeypatch, resources):
    """Also where the run has not said that it computes on one: its processes are seen there."""
    monkeypatch.setenv("YOLOQAT_LEASES", str(tmp_path / "leases"))
    run = lab.run([sys.executable, "-c", COMPUTE], resources=resources, sample_seconds=0.5)
    run.until(lambda: any(gpu["utilization_percent"] > 50 for gpus in sampled(run) for gpu in gpus), 60)
    [gpu] = sampled(run)[-1]
    assert gpu["index"] == "0"
    assert gpu["memory_used_bytes"] > 200e6
    assert gpu["memory_bytes"] > 10e9
    assert gpu["power_watts"] > 20
    assert 10 < gpu["temperature_celsius"] < 110
