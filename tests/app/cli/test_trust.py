"""A workspace can come from anyone: nothing in it is started or signalled unless this user launched it here."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from app.launching.stop import run_status
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.states import RunState
from engine.runner.processes.identity import identify
from tests.app.cli.conftest import Cli, until

ELSEWHERE = "queued elsewhere; `yoloqat release` starts it"
READERS = (("ls",), ("show", "nice"), ("log", "nice"), ("compare", "nice"), ("doctor",))


@pytest.fixture(autouse=True)
def own_leases(cli: Cli, tmp_path: Path) -> None:
    cli.environment["YOLOQAT_LEASES"] = str(tmp_path / "leases")
    cli.environment.pop("YOLOQAT_CPU_LANE", None)


def received(cli: Cli, *argv: str) -> RunFolder:
    """A workspace as somebody else may have written it: a run that waits for a runner that a reboot has ended."""
    folder = cli.workspace.run("20250101-000000-aaaa")
    attempt = folder.attempt(1)
    attempt.path.mkdir(parents=True)
    spec = {"id": folder.id, "name": "nice", "stage": "command", "command": list(argv), "cwd": "/tmp"}
    folder.spec.write_text(yaml.safe_dump({**spec, "created_at": "2025-01-01T00:00:00Z"}))
    host = os.uname().nodename
    process = {"pid": 999999, "start_time": 1, "boot_id": "another", "host": host, "pid_namespace": "pid:[1]"}
    launch = {"run_id": folder.id, "name": "nice", "stage": "command", "argv": argv, "cwd": "/tmp", "launcher": process}
    attempt.launch.write_text(json.dumps(launch))
    attempt.process.write_text(json.dumps({"runner": process, "stage": None}))
    attempt.console.touch()
    return folder


def test_nothing_of_a_received_workspace_is_started_but_what_is_released(cli: Cli, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    folder = received(cli, "sh", "-c", f"id > {proof}")
    for command in (*READERS, ("queue",)):
        assert cli(*command).code in (0, 1, 2), command
    launched = cli.train(1)
    cli.wait(launched)
    status = run_status(cli.workspace, folder.id)
    assert (status.state, status.reason) == (RunState.QUEUED, ELSEWHERE)
    assert not proof.exists()
    answer = cli("release", "nice")
    assert f"sh -c 'id > {proof}'" in answer.err, "what starts is shown"
    cli.wait(folder.id)
    assert run_status(cli.workspace, folder.id).state is RunState.SUCCEEDED
    assert proof.exists()


@dataclass
class Chain:
    """A step that waits for one that runs, without their runners."""

    cli: Cli
    first: str
    second: str
    ended: list[str] = field(default_factory=list)


@pytest.fixture
def chain(cli: Cli) -> Iterator[Chain]:
    (cli.directory / "two.yaml").write_text(
        "name: two\nstages:\n"
        "  first:\n    command: [sh, -c, 'until [ -e go ]; do sleep 0.05; done']\n"
        "  second:\n    command: [sh, -c, 'echo ran >> ran.txt']\n    needs: [first]\n"
    )
    assert cli("pipeline", "two.yaml").code == 0
    first, second = (run["id"] for run in sorted(cli("ls", "--json").json()["runs"], key=lambda run: run["id"]))
    until(lambda: run_status(cli.workspace, second).reason.startswith("waits for"))
    yield Chain(cli, first, second)
    (cli.directory / "go").touch()


def kill_runner(workspace: Workspace, run_id: str) -> None:
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    assert process is not None
    os.kill(process.runner.pid, signal.SIGKILL)
    until(lambda: not run_status(workspace, run_id).runner_alive)


def test_a_copy_runs_nothing_again_and_what_is_released_runs_in_the_copy(chain: Chain, tmp_path: Path) -> None:
    cli, copy = chain.cli, Workspace(tmp_path / "copy")
    shutil.copytree(cli.workspace.path, copy.path, symlinks=True)
    (cli.directory / "go").touch()
    cli.wait(chain.second)
    ran = cli.directory / "ran.txt"
    assert ran.read_text() == "ran\n"
    for command in ("ls", "queue"):
        answer = cli(command, "--workspace", str(copy.path))
        assert answer.code == 0, answer.err
    assert run_status(copy, chain.second).reason == ELSEWHERE
    assert ran.read_text() == "ran\n", "not a second time"
    original = cli.workspace.run(chain.second).attempt(1).outcome.read_bytes()
    shutil.rmtree(copy.run(chain.first).path)  # a copy of one folder alone: its parent is not there
    answer = cli("release", chain.second, "--workspace", str(copy.path))
    assert answer.code == 2
    assert f"there is no run {chain.first} to wait for" in answer.err
    assert cli.workspace.run(chain.second).attempt(1).outcome.read_bytes() == original


def test_what_was_changed_since_it_was_launched_is_not_put_back(chain: Chain) -> None:
    cli, attempt = chain.cli, chain.cli.workspace.run(chain.second).attempt(1)
    kill_runner(cli.workspace, chain.second)
    launch = json.loads(attempt.launch.read_text())
    attempt.launch.write_text(json.dumps({**launch, "argv": ["touch", "pwned"]}))
    (cli.directory / "go").touch()
    cli.wait(chain.first)
    assert cli("queue").code == 0
    assert run_status(cli.workspace, chain.second).reason == ELSEWHERE
    assert not (cli.directory / "pwned").exists()
    attempt.launch.write_text(json.dumps(launch))
    assert cli("queue").code == 0
    cli.wait(chain.second)
    assert run_status(cli.workspace, chain.second).state is RunState.SUCCEEDED


def test_after_a_reboot_one_command_starts_what_is_queued_in_every_workspace(chain: Chain, tmp_path: Path) -> None:
    cli = chain.cli
    kill_runner(cli.workspace, chain.second)
    (cli.directory / "go").touch()
    cli.wait(chain.first)
    answer = cli("queue", "--boot", YOLOQAT_WORKSPACE=str(tmp_path / "another"))
    assert f"{cli.workspace.path}: 1 started" in answer.out
    cli.wait(chain.second)
    assert run_status(cli.workspace, chain.second).state is RunState.SUCCEEDED
    assert "queue --boot" in cli("doctor").out


@pytest.mark.parametrize("part", ["runner", "stage"])
def test_a_forged_process_is_never_signalled(cli: Cli, part: str) -> None:
    folder = received(cli, "sleep", "1")
    victim = subprocess.Popen(["sleep", "60"])
    try:
        identity = identify(victim.pid)
        assert identity is not None
        gone = json.loads(folder.attempt(1).process.read_text())["runner"]
        record = {"runner": gone, "stage": None, part: identity._asdict()}
        folder.attempt(1).process.write_text(json.dumps(record))
        answer = cli("stop", "nice")
        assert (answer.code, "was not started for it" in answer.err) == (2, True), answer.err
        assert cli("stop", "nice", "--now").code == 2
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


SECRETS = {
    "SLURM_JWT": "SEKRIT1",
    "NCCL_BEARER": "SEKRIT2",
    "TORCH_HUB_PAT": "SEKRIT3",
    "CONDA_PWD": "SEKRIT4",
    "YOLOQAT_WEBHOOK": "https://hooks/SEKRIT5",
    "CUDA_URL": "https://h/?token=SEKRIT6",
    "OMP_URL": "https://SEKRIT7@github.com",
}


def test_secrets_stay_out_of_the_workspace_and_the_run_gets_them(cli: Cli, tmp_path: Path) -> None:
    show = "import os, sys; print(sys.argv[1:], os.environ['SLURM_JWT'])"
    command = (sys.executable, "-c", show, "--api-key", "SEKRIT8", "--token=SEKRIT9")
    answer = cli("run", "--name", "keyed", "--", *command, **SECRETS)
    run_id = answer.out.split()[0]
    cli.wait(run_id)
    console = cli.workspace.run(run_id).attempt(1).console
    assert "['--api-key', 'SEKRIT8', '--token=SEKRIT9'] SEKRIT1" in console.read_text()
    console.unlink()  # what a program prints is its own affair
    assert "SEKRIT" not in cli("show", "keyed", "--json").out
    for path in cli.workspace.path.rglob("*"):
        assert not path.is_file() or b"SEKRIT" not in path.read_bytes(), path
    attempt = cli.workspace.run(run_id).attempt(1)
    for path in (attempt.launch, attempt.process, cli.workspace.run(run_id).spec):
        assert path.stat().st_mode & 0o077 == 0, path


def failing(cli: Cli) -> tuple[str, str]:
    command = ("sh", "-c", 'printf %s "$1" >> keys.txt; exit 1', "sh", "--token=SEKRIT")
    run_id = cli("run", "--name", "keyed", "--", *command).out.split()[0]
    cli.wait(run_id)
    return run_id, (cli.directory / "keys.txt").read_text()


def test_a_run_is_repeated_with_its_secrets_while_they_are_known(cli: Cli, tmp_path: Path) -> None:
    run_id, _ = failing(cli)
    assert cli("resume", "keyed", "--anew").code == 0
    cli.wait(run_id)
    assert (cli.directory / "keys.txt").read_text() == "--token=SEKRIT" * 2
    answer = cli("resume", "keyed", "--anew", XDG_STATE_HOME=str(tmp_path / "other"))
    assert answer.code == 2
    assert "secrets must be given anew" in answer.err
    assert "--token=***" in answer.err
    assert (cli.directory / "keys.txt").read_text() == "--token=SEKRIT" * 2


def test_start_records_are_the_users_alone_and_go_with_the_run(cli: Cli, state_folder: Path) -> None:
    run_id, _ = failing(cli)
    records = list((state_folder / "yoloqat" / "starts").glob(f"{run_id}-*.json"))
    assert len(records) == 1
    assert records[0].stat().st_mode & 0o077 == 0
    assert records[0].parent.stat().st_mode & 0o077 == 0
    assert cli("delete", "keyed").code == 0
    assert records[0].exists(), "it can be undeleted"
    assert cli("trash", "--empty").code == 0
    assert not records[0].exists()


def test_a_shared_workspace_lets_the_group_read(cli: Cli) -> None:
    settings = Path(cli.environment["XDG_CONFIG_HOME"]) / "yoloqat" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("shared: true\n")
    run_id = cli.train(1)
    cli.wait(run_id)
    attempt = cli.workspace.run(run_id).attempt(1)
    for path in (attempt.launch, attempt.process, cli.workspace.run(run_id).spec):
        assert path.stat().st_mode & 0o777 == 0o640, path
