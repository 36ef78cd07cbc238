"""Work that a command hands to a server outside of its run is said, and is no success of the command."""

import shutil
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.contracts.outcome import OutcomeKind
from engine.contracts.states import RunState
from engine.runner import handover
from engine.runner.handing_over import server_of
from engine.supervise.stop import request_stop

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
CONTAINER = "3f1c2a9b7d10" + "0" * 52


class Tmux:
    """A tmux server of the test's own, which runs before any run does."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / f"{uuid.uuid4().hex[:8]}"
        self.client = f"tmux -f /dev/null -S {self.socket}"

    def start(self) -> int:
        self.ask("new-session -d -s before cat")
        return int(self.ask("display-message -p '#{pid}'"))

    def panes(self) -> list[int]:
        """Pids of the first processes of all panes; none before the server is there."""
        listed = self.ask("list-panes -a -F '#{pane_pid}' 2>/dev/null || true")
        return [int(pid) for pid in listed.split()]

    def ask(self, command: str) -> str:
        return subprocess.check_output(f"{self.client} {command}", shell=True, text=True)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    tmux = Tmux(tmp_path)
    yield tmux
    subprocess.run(f"{tmux.client} kill-server", shell=True, stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder before all others on PATH, in which a test places clients of servers that are not here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def add_program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@needs_tmux
@pytest.mark.parametrize("command", ["new-session -d", "neww -t before", "split-window -d -t before"])
def test_work_in_a_tmux_server_that_was_there_is_named_by_its_pid(lab, tmux, command):
    server = tmux.start()
    before = tmux.panes()
    run = lab.run(["bash", "-c", f"{tmux.client} {command} 'sleep 60'; echo started"])
    status = run.until_state(RunState.ENDED)
    [pane] = set(tmux.panes()) - set(before)
    assert pane != server
    assert status.handed_to == run.outcome.handed_to == f"tmux {pane}"
    assert status.reason == f"handed to tmux {pane}; its end is not seen"
    assert f"handed work to tmux {pane}" in run.log()
    assert run.outcome.kind is OutcomeKind.HANDED_OVER
    assert run.outcome.leftovers == 0


@needs_tmux
def test_keys_that_are_sent_to_a_shell_in_tmux_name_its_server(lab, tmux):
    server = tmux.start()
    (lab.cwd / "train.sh").write_text(f"{tmux.client} send-keys -t before 'python train.py' Enter\n")
    run = lab.run(["sh", "train.sh"])
    assert run.until_state(RunState.ENDED).handed_to == f"tmux {server}"


@needs_tmux
@pytest.mark.parametrize("command", ["ls", "display-message -p hello", "has-session -t before"])
def test_a_client_that_only_asks_hands_nothing_over(lab, tmux, command):
    tmux.start()
    run = lab.run(["bash", "-c", f"{tmux.client} {command}; echo done"])
    assert run.until_state(RunState.SUCCEEDED).handed_to == ""


@needs_tmux
def test_a_tmux_server_that_the_run_starts_is_the_run(lab, tmux):
    code = "import time\nfor n in range(40): print(n, flush=True); time.sleep(0.05); sum(range(300000))"
    (lab.cwd / "train.py").write_text(code)
    run = lab.run(["bash", "-c", f"{tmux.client} new -d '{sys.executable} -S train.py'"])
    run.until(lambda: run.state().state is RunState.RUNNING and set(tmux.panes()) & set(run.living()), seconds=10)
    status = run.until_state(RunState.ENDED, seconds=20)
    assert run.outcome.kind is OutcomeKind.OUTLIVED
    assert status.handed_to == ""
    assert "train.py" in status.reason


@needs_tmux
def test_a_tmux_server_that_the_run_has_started_is_stopped_with_it(lab, tmux):
    run = lab.run(["bash", "-c", f"{tmux.client} new -d 'while :; do :; done'"])
    run.until(lambda: run.outcome if run.attempt.outcome.exists() else len(run.living()) >= 2, seconds=10)
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED, seconds=10)
    assert run.living() == []


@pytest.mark.parametrize(
    ("script", "handed_to"),
    [
        ("docker run -d --gpus all -v a:/b image train", "docker 3f1c2a9b7d10"),
        ("id=$(docker run -itd --name yolo image train)", "docker yolo"),
        ("docker compose -f stack.yml up -d > /dev/null", "docker"),
        ("sbatch --gres gpu:1 job.sh", "Slurm 4711"),
        ("systemd-run --user -p MemoryMax=4G python train.py", "systemd run-u12.service"),
        ("systemd-run --unit=yolo python train.py 2> /dev/null", "systemd yolo"),
        ("echo python train.py | at now", "at 5"),
    ],
)
def test_work_handed_to_a_server_is_named_as_its_client_names_it(lab, programs, script, handed_to):
    add_program(programs, "docker", f"echo {CONTAINER}")
    add_program(programs, "sbatch", "echo Submitted batch job 4711")
    add_program(programs, "systemd-run", "echo Running as unit: run-u12.service >&2")
    add_program(programs, "at", "echo 'job 5 at Tue Dec  1 12:00:00 2026' >&2")
    (lab.cwd / "train.sh").write_text(f"#!/bin/sh\n{script}\n")
    for argv in (["sh", "-c", script], ["sh", "train.sh"]):
        run = lab.run(argv)
        status = run.until_state(RunState.ENDED)
        assert status.handed_to == handed_to
        assert status.exit_code == 0


@pytest.mark.parametrize(
    "script",
    [
        "docker run --rm -v a:/b image train -d",
        "docker run --name run --gpus all image",
        "docker ps",
        "docker build .",
        "docker start -ai yolo",
        "sbatch --wait job.sh",
        "systemd-run --scope python train.py -d",
        "systemd-run --user --wait -u yolo true",
        "at -l",
        "echo docker run -d image",
    ],
)
def test_a_client_that_waits_for_the_work_hands_nothing_over(lab, programs, script):
    for name in ("docker", "sbatch", "systemd-run", "at"):
        add_program(programs, name, "exit 0")
    run = lab.run(["sh", "-c", f"{script}; true"])
    assert run.until_state(RunState.SUCCEEDED).handed_to == ""


def test_a_command_that_is_a_client_itself_needs_no_watch(lab, programs, monkeypatch):
    add_program(programs, "docker", f"echo {CONTAINER}")
    run = lab.run(["docker", "run", "-d", "image"])
    assert run.until_state(RunState.ENDED).handed_to == "docker 3f1c2a9b7d10"


def test_a_failed_command_says_what_it_has_handed_over(lab, programs):
    add_program(programs, "docker", f"echo {CONTAINER}")
    run = lab.run(["sh", "-c", "docker run -d image; exit 3"])
    status = run.until_state(RunState.FAILED)
    assert status.reason == "exit code 3; handed to docker 3f1c2a9b7d10"
    assert status.handed_to == "docker 3f1c2a9b7d10"


def test_a_run_that_waits_for_one_whose_work_was_handed_over_does_not_start(lab, programs):
    add_program(programs, "docker", f"echo {CONTAINER}")
    first = lab.gated("docker run -d image", name="first")
    second = lab.shell("true", parents=[first])
    lab.open_gate()
    assert "first has ended: handed to docker" in second.until_state(RunState.DEPENDENCY_FAILED, 10).reason


def test_a_command_that_works_on_by_itself_has_succeeded_and_says_it(lab, programs, monkeypatch):
    from engine.runner.ending import handed_over_fields

    fields = {"kind": "exited", "exit_code": 0, "stop_requested": False, "missing_artifacts": [], "reason": ""}
    assert handed_over_fields(fields, "tmux 812", False)["kind"] == "exited"
    assert handed_over_fields(fields, "tmux 812", True)["kind"] == "handed over"


def test_where_nothing_can_be_watched_the_text_of_the_command_tells(monkeypatch, tmp_path):
    monkeypatch.setattr(handover.ExecutionWatch, "_start", lambda self, path: None)
    with (tmp_path / "console.log").open("ab") as console:
        (tmp_path / "train.sh").write_text("cd data && docker run -d --name yolo image >log 2>&1\n")
        argv = ["bash", "train.sh"]
        watching = handover.Handover(argv, {"PATH": "/usr/bin"}, str(tmp_path), str(tmp_path), console.fileno())
        assert watching.work()[0] == "docker yolo"
        watching.close()


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("tmux", ""),
        ("tmux new -d", "tmux"),
        ("tmux -L lab -2 new-s -d train", "tmux"),
        ("tmux -Llab ls ; neww train", "tmux"),
        ("tmux attach", ""),
        ("screen -dmS yolo train", ""),
        ("screen -S yolo -X screen train", "screen"),
        ("podman run -dit image", "podman"),
        ("docker -H ssh://host container run --detach=true image", "docker"),
        ("docker run --detach=false image", ""),
        ("docker run -p 80:80 -eA=b -d image", "docker"),
        ("docker run -w /d image", ""),
        ("docker exec -d yolo train", "docker"),
        ("docker exec yolo train -d", ""),
        ("docker service create image", "docker"),
        ("docker-compose up", ""),
        ("docker-compose up --wait", "docker-compose"),
        ("systemd-run -tq bash", ""),
        ("systemctl --user start yolo", "systemd"),
        ("systemctl status yolo", ""),
        ("qsub -sync y job.sh", ""),
        ("kubectl apply -f job.yaml", "kubectl"),
        ("python train.py", ""),
    ],
)
def test_the_clients_of_servers_are_known(command, server):
    assert server_of(command.split()) == server
