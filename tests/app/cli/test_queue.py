"""What waits is told with its reason, and can be held, moved and cancelled."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from app.launching.queue import queued_runs
from app.launching.stop import run_status
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.outcome import Outcome
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli, until


@pytest.fixture(autouse=True)
def own_leases(cli: Cli, tmp_path: Path) -> None:
    cli.environment["YOLOQAT_LEASES"] = str(tmp_path / "leases")
    cli.environment.pop("YOLOQAT_CPU_LANE", None)


@pytest.fixture
def launch(cli: Cli) -> Callable[..., str]:
    """Launch a run on the CPU lane that ends when the file `go` is there."""

    def start(name: str, *options: str) -> str:
        script = "until [ -e go ]; do sleep 0.05; done"
        answer = cli("run", "--cpu-lane", "--name", name, *options, "--", "sh", "-c", script)
        assert answer.code == 0, answer.err
        return answer.out.split()[0]

    return start


def waits(cli: Cli, run_id: str, reason: str) -> None:
    until(lambda: run_status(cli.workspace, run_id).reason == reason)


def names(cli: Cli) -> list[str]:
    return [run.name for run in queued_runs(cli.workspace)]


def started(cli: Cli, run_id: str) -> object:
    outcome = Outcome.read(cli.workspace.run(run_id).attempt(1).outcome)
    assert outcome is not None
    return outcome.started_at


def test_the_queue_is_listed_with_its_reasons_and_who_has_what(cli: Cli, launch: Callable[..., str]) -> None:
    assert cli("queue").out == "the queue is empty\n"
    first = launch("relu-retrain")
    until(lambda: run_status(cli.workspace, first).state is RunState.RUNNING)
    second = launch("ptq")
    waits(cli, second, "CPU lane full (1 of 1): run relu-retrain")
    shown = cli("queue").out
    assert "1  ptq  CPU lane" in shown
    assert "CPU lane full (1 of 1): run relu-retrain" in shown
    document = cli("queue", "--json").json()
    assert [(run["id"], run["needs"], run["held"]) for run in document["queue"]] == [(second, "CPU lane", False)]
    (lease,) = document["leases"]
    assert (lease["device"], lease["run"], lease["memory"]) == ("cpu-0", "relu-retrain", 0)
    assert json.loads(cli("ls", "--json").out)["runs"][0]["reason"] == "CPU lane full (1 of 1): run relu-retrain"


def test_the_order_can_be_changed(cli: Cli, launch: Callable[..., str]) -> None:
    runs = {"first": launch("first")}
    until(lambda: run_status(cli.workspace, runs["first"]).state is RunState.RUNNING)
    for name in ("a", "b", "c", "d"):
        runs[name] = launch(name)
        waits(cli, runs[name], "CPU lane full (1 of 1): run first")
    assert names(cli) == ["a", "b", "c", "d"]
    assert cli("move", "d", "--first").out == "1 d\n2 a\n3 b\n4 c\n"
    assert cli("move", "a", "--last").code == 0
    assert cli("move", "c", "--before", "b").code == 0
    assert names(cli) == ["d", "c", "b", "a"]
    runs["urgent"] = launch("urgent", "--priority", "1")
    until(lambda: len(names(cli)) == 5)
    assert names(cli) == ["urgent", "d", "c", "b", "a"]
    (cli.directory / "go").touch()
    for run_id in runs.values():
        cli.wait(run_id)
    order = sorted(runs, key=lambda name: started(cli, runs[name]))
    assert order == ["first", "urgent", "d", "c", "b", "a"]


def test_what_is_held_does_not_start_before_it_is_released(cli: Cli, launch: Callable[..., str]) -> None:
    first = launch("first")
    until(lambda: run_status(cli.workspace, first).state is RunState.RUNNING)
    second = launch("second")
    waits(cli, second, "CPU lane full (1 of 1): run first")
    assert cli("hold", "second").out == "second: held; release it with `yoloqat release second`\n"
    assert run_status(cli.workspace, second).reason == "held"
    (cli.directory / "go").touch()
    cli.wait(first)
    assert run_status(cli.workspace, second).reason == "held"
    assert cli("release", "second").out == "second: released\n"
    cli.wait(second)
    assert run_status(cli.workspace, second).state is RunState.SUCCEEDED


def test_what_waits_can_be_cancelled_and_what_runs_cannot(cli: Cli, launch: Callable[..., str]) -> None:
    first = launch("first")
    until(lambda: run_status(cli.workspace, first).state is RunState.RUNNING)
    second = launch("second")
    waits(cli, second, "CPU lane full (1 of 1): run first")
    assert cli("cancel", "second").out == "second: cancelled\n"
    cli.wait(second)
    assert run_status(cli.workspace, second).state is RunState.STOPPED
    refused = cli("cancel", "first")
    assert refused.code == 2
    assert "first cannot be cancelled: it is running" in refused.err
    assert "`yoloqat stop first` stops it" in refused.err
    for command in (["hold", "first"], ["release", "first"], ["move", "first", "--last"]):
        assert cli(*command).code == 2


def test_the_lane_is_as_wide_as_the_settings_or_the_variable_say(cli: Cli, launch: Callable[..., str]) -> None:
    settings = Path(cli.environment["XDG_CONFIG_HOME"]) / "yoloqat" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("cpu_lane: 2\n")
    runs = [launch(f"run{n}") for n in range(3)]
    until(lambda: [run_status(cli.workspace, run).state.value for run in runs] == ["running", "running", "queued"])
    cli.environment["YOLOQAT_CPU_LANE"] = "0"
    unlimited = launch("unlimited")
    until(lambda: run_status(cli.workspace, unlimited).state is RunState.RUNNING)
    refused = cli("run", "--cpu-lane", "--", "true", YOLOQAT_CPU_LANE="many")
    assert refused.code == 2
    assert "YOLOQAT_CPU_LANE: 'many' is not a number of runs" in refused.err


@pytest.fixture
def unknown_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the GPUs of the test before: they are remembered for a minute."""
    monkeypatch.setattr("engine.supervise.gpu.inventory._remembered", None)


@pytest.mark.usefixtures("unknown_gpus")
def test_a_gpu_that_is_not_there_is_refused(cli: Cli, tmp_path: Path) -> None:
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\ncase $1 in --query-gpu*) echo '0, GPU-0, 24576';; esac\n")
    smi.chmod(0o755)
    environment = {"PATH": f"{smi.parent}:{cli.environment['PATH']}", "YOLOQAT_NVML": "0"}
    refused = cli("run", "--gpu", "3", "--", "true", **environment)
    assert refused.code == 2
    assert "there is no GPU 3" in refused.err
    assert cli("run", "--gpus", "2", "--", "true", **environment).code == 2
    assert cli("run", "--gpu", "0", "--gpus", "1", "--", "true", **environment).code == 2
    assert cli("run", "--gpu-memory", "3", "--", "true", **environment).code == 2
    shown = cli("run", "-f", "--gpu", "any", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES", **environment)
    assert shown.out == "GPU-0\n"


@pytest.mark.usefixtures("unknown_gpus")
def test_a_run_that_computes_outside_of_its_lease_has_a_red_mark(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    smi, pid = folder / "nvidia-smi", folder / "pid"
    smi.write_text(
        "#!/bin/sh\ncase $1 in --query-gpu=index,uuid*) printf '0, GPU-0, 24576\\n1, GPU-1, 24576\\n';;"
        f" --query-compute*) test -e {pid} && echo GPU-0, $(cat {pid}), 300;; esac; true\n"
    )
    smi.chmod(0o755)
    environment = {"PATH": f"{folder}:{cli.environment['PATH']}", "YOLOQAT_NVML": "0"}
    command = ["sh", "-c", f"echo $$ > {pid}; exec sleep 60", "train.py", "--device", "0"]
    assert cli("run", "--name", "astray", "--gpu", "1", "--", *command, **environment).code == 2
    launched = cli("run", "--name", "astray", "--gpu", "1", "--anyway", "--", *command, **environment)
    run_id = launched.out.split()[0]
    until(lambda: "running, on GPU 0 outside its lease" in cli("ls").out)
    [listed] = cli("ls", "--json").json()["runs"]
    assert listed["gpus_outside_lease"] == ["0"]
    assert "lease     processes seen on GPU 0 outside its lease" in cli("show", "astray").out
    cli("stop", "astray")
    until(lambda: run_status(cli.workspace, run_id).state is RunState.STOPPED)
    assert "stopped, on GPU 0 outside its lease" in cli("ls").out


def test_after_a_reboot_the_queue_command_starts_the_runners_of_what_waits(
    cli: Cli, launch: Callable[..., str]
) -> None:
    first = launch("first")
    until(lambda: run_status(cli.workspace, first).state is RunState.RUNNING)
    second = launch("second")
    waits(cli, second, "CPU lane full (1 of 1): run first")
    pretend_reboot(cli, first, second)
    assert run_status(cli.workspace, first).state is RunState.LOST
    status = run_status(cli.workspace, second)
    assert (status.state, status.reason) == (RunState.QUEUED, "after reboot")
    (cli.directory / "go").touch()
    assert {run["name"]: run["state"] for run in cli("ls", "--json").json()["runs"]}["second"] == "queued"
    assert not run_status(cli.workspace, second).runner_alive, "a command that reads starts nothing"
    assert cli("queue").code == 0
    cli.wait(second)
    assert run_status(cli.workspace, second).state is RunState.SUCCEEDED


def test_what_waits_survives_a_kill_of_everything_but_the_stage(cli: Cli, launch: Callable[..., str]) -> None:
    first = launch("first")
    until(lambda: run_status(cli.workspace, first).state is RunState.RUNNING)
    waiting = [launch(name) for name in ("second", "third")]
    for run_id in waiting:
        waits(cli, run_id, "CPU lane full (1 of 1): run first")
    for run_id in (first, *waiting):
        process = ProcessRecord.read(cli.workspace.run(run_id).attempt(1).process)
        assert process is not None
        os.kill(process.runner.pid, signal.SIGKILL)
    until(lambda: not any(run_status(cli.workspace, run_id).runner_alive for run_id in (first, *waiting)))
    listed = {run["name"]: run for run in cli("ls", "--json").json()["runs"]}
    assert listed["first"]["reason"] == "its runner was lost; the stage goes on"
    assert [listed[name]["state"] for name in ("second", "third")] == ["queued", "queued"]
    assert cli("queue").code == 0
    for run_id in waiting:
        waits(cli, run_id, "CPU lane full (1 of 1): run first")
    (cli.directory / "go").touch()
    for run_id in waiting:
        cli.wait(run_id)
        assert run_status(cli.workspace, run_id).state is RunState.SUCCEEDED


def test_what_cannot_be_started_again_after_a_reboot_can_be_cancelled(cli: Cli, launch: Callable[..., str]) -> None:
    first = launch("first")
    until(lambda: run_status(cli.workspace, first).state is RunState.RUNNING)
    second = launch("second")
    waits(cli, second, "CPU lane full (1 of 1): run first")
    pretend_reboot(cli, first, second)
    attempt = cli.workspace.run(second).attempt(1)
    (attempt.path / "outcome.json.reserved").unlink(missing_ok=True)
    (attempt.path / "outcome.json.reserved").mkdir()  # no runner can reserve its outcome
    assert "after reboot" in cli("queue").out
    assert cli("cancel", "second").code == 0
    assert run_status(cli.workspace, second).state is RunState.STOPPED


def pretend_reboot(cli: Cli, *run_ids: str) -> None:
    """Kill all processes of runs and write another boot into their records."""
    for run_id in run_ids:
        attempt = cli.workspace.run(run_id).attempt(1)
        process = ProcessRecord.read(attempt.process)
        assert process is not None
        for identity in (process.runner, process.stage):
            if identity is not None:
                os.kill(identity.pid, signal.SIGKILL)
        for path in (attempt.process, attempt.launch):
            path.write_text(path.read_text().replace(process.runner.boot_id, "another-boot"))
