"""A stop reaches the container of a `docker run` in the foreground. A script stands for the client and its daemon."""

import os
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.contracts.attempt_records import Grace
from engine.contracts.spec import Resources
from engine.contracts.states import RunState
from engine.runner.containers import belongs_to, container_of, with_cidfile
from engine.supervise.stop import request_stop
from tests.waiting import wait_until

ID = "3f1c2a9b7d10" + "e" * 52
CLIENT = """#!/bin/bash
# A container runs as long as the file `running` is there; everything that is asked is noted.
cd {folder}
echo "$*" >> asked
case $1 in
run)
    shift
    tty= deaf= name=
    while [[ $1 == -* ]]; do
        case $1 in
        --cidfile) set -o noclobber; echo -n {id} > "$2"; set +o noclobber; shift ;;
        --name) shift ;;
        --label) shift ;;
        -t) tty=1 ;;
        esac
        shift
    done
    touch running
    if [[ $1 == image ]]; then trap 'rm -f running; exit 130' INT TERM; else trap '' INT TERM; fi
    [[ $tty ]] && trap 'exit 130' INT
    while [[ -e running ]]; do sleep 0.05; done
    exit 0 ;;
inspect)
    case $3 in
    *Running*) [[ -e running ]] && echo true || echo false ;;
    *Id*) echo {id} ;;
    esac ;;
ps) echo {id} ;;
stop | kill) rm -f running ;;
esac
"""


class Daemon:
    """What the client's script notes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_running(self) -> bool:
        return (self.folder / "running").exists()

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    folder = tmp_path / "docker"
    folder.mkdir()
    client = folder / "docker"
    client.write_text(CLIENT.format(folder=shlex.quote(str(folder)), id=ID))
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return Daemon(folder)


def start(lab, daemon, argv):
    run = lab.run(argv, sample_seconds=0.2)
    run.until(lambda: daemon.is_running)
    return run


def test_a_stop_that_the_client_passes_on_ends_the_container_with_it(lab, daemon):
    run = start(lab, daemon, ["docker", "run", "--rm", "image", "train"])
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED)
    assert not daemon.is_running
    assert not [line for line in daemon.asked() if line.startswith(("stop", "kill"))]


def test_a_container_whose_client_was_killed_is_killed_too(lab, daemon):
    run = start(lab, daemon, ["docker", "run", "deaf-image"])
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED, 10)
    assert not daemon.is_running
    assert f"kill {ID}" in daemon.asked()
    assert "left docker 3f1c2a9b7d10 running, which was stopped too" in run.log()


def test_a_container_whose_client_goes_at_once_has_its_time(lab, daemon):
    run = start(lab, daemon, ["docker", "run", "-t", "deaf-image"])
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED, 10)
    assert f"stop --time 10 {ID}" in daemon.asked()
    assert not daemon.is_running


def test_the_added_cidfile_is_said(lab, daemon):
    run = start(lab, daemon, ["docker", "run", "--rm", "image", "train"])
    option = f"--cidfile {run.attempt.cidfile}"
    assert daemon.asked()[0] == f"run {option} --rm image train"
    assert run.process.provenance.added_arguments == option.split()
    assert f"added to the command, so that a stop reaches its container: {option}\n" in run.log()
    assert run.process.argv == ["docker", "run", "--rm", "image", "train"]
    (daemon.folder / "running").unlink()
    run.until_state(RunState.SUCCEEDED)
    assert [line.split()[0] for line in daemon.asked()] == ["run"], "an end by itself needs no question"


@pytest.mark.parametrize(
    ("options", "target"),
    [("--cidfile here.cid", ID), ("--name yolo", ID), ("--label job=7", ID)],
)
def test_a_container_that_a_script_starts_is_found_by_what_the_script_gives(lab, daemon, options, target):
    run = start(lab, daemon, ["sh", "-c", f"docker run {options} deaf-image train; echo ended"])
    assert "--cidfile" in options or "--cidfile" not in daemon.asked()[0]
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED, 10)
    assert f"kill {target}" in daemon.asked()
    assert not daemon.is_running


def test_a_container_that_cannot_be_found_is_said(lab, daemon):
    run = start(lab, daemon, ["sh", "-c", "docker run deaf-image train; echo ended"])
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED, 10)
    assert "a container may still run: docker run without --cidfile and --name" in run.log()


def test_a_client_that_is_killed_by_others_leaves_no_container_behind(lab, daemon):
    run = start(lab, daemon, ["docker", "run", "deaf-image"])
    run.kill_stage()
    run.until_state(RunState.KILLED, 10)
    assert not daemon.is_running


def test_a_stop_reaches_the_container_when_the_runner_is_dead(lab, daemon):
    run = start(lab, daemon, ["docker", "run", "deaf-image"])
    run.kill_runner()
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED, 15)
    wait_until(lambda: not daemon.is_running)
    assert f"kill {ID}" in daemon.asked()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("docker run image", "docker run --cidfile A/container.cid image"),
        (
            "sudo -n docker -H ssh://host run -it image",
            "sudo -n docker -H ssh://host run --cidfile A/container.cid -it image",
        ),
        ("env A=b podman container run image", "env A=b podman container run --cidfile A/container.cid image"),
        ("docker run --cidfile=own image", "docker run --cidfile=own image"),
        ("docker run -d image", "docker run -d image"),
        ("docker exec yolo train", "docker exec yolo train"),
        ("sh docker run image", "sh docker run image"),
        ("python train.py docker run image", "python train.py docker run image"),
    ],
)
def test_only_a_docker_run_without_a_cidfile_gets_one(command, expected):
    assert with_cidfile(command.split(), "A") == expected.split()


def test_what_a_client_is_told_of_its_container_is_known():
    argv = "sudo docker --context gpu run --gpus all -l a=b --name yolo --cidfile x.cid image --name other"
    container = container_of(argv.split(), "/data")
    assert container is not None
    assert container.client == ("sudo", "docker", "--context", "gpu")
    assert (container.name, container.cidfile, container.labels) == ("yolo", "/data/x.cid", ("a=b",))
    assert container_of(["docker", "run", "-d", "image"], "/data") is None


@pytest.fixture
def contained() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a cgroup that is named as docker names a container's."""
    hierarchies = [Path("/sys/fs/cgroup", name) for name in ("systemd", "unified", "")]
    try:
        hierarchy = next(path for path in hierarchies if os.access(path / "cgroup.procs", os.W_OK))
        group = hierarchy / f"docker-{ID}.scope"
        group.mkdir()
    except (OSError, StopIteration):
        pytest.skip("no cgroup can be made here")
    process = subprocess.Popen(["sleep", "60"])
    (group / "cgroup.procs").write_text(str(process.pid))
    yield process
    process.kill()
    process.wait()
    wait_until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def test_what_computes_in_the_container_of_a_run_is_its_own(lab, daemon, contained, tmp_path, monkeypatch):
    assert belongs_to(contained.pid, "/no/attempt", [ID])
    assert not belongs_to(contained.pid, "/no/attempt", ["f" * 64])
    monkeypatch.setenv("YOLOQAT_NVML", "0")
    monkeypatch.setenv("YOLOQAT_LEASES", str(tmp_path / "leases"))
    smi, apps = daemon.folder / "nvidia-smi", daemon.folder / "apps"
    smi.write_text(
        "#!/bin/sh\ncase $1 in --query-gpu=index,uuid*) printf '0, GPU-0000, 24576\\n1, GPU-1111, 24576\\n' ;;\n"
        f"--query-compute*) cat {apps} ;; esac\n"
    )
    smi.chmod(0o755)
    apps.write_text("")
    ten = Resources(gpus=["0"], memory=10**10)
    run = lab.run(["docker", "run", "image"], resources=ten, sample_seconds=0.2, grace=Grace(sigint=2))
    run.until(lambda: run.attempt.containers.exists(), 10)
    apps.write_text(f"GPU-0000, {contained.pid}, 5000\n")
    second = lab.shell("exec sleep 60", resources=ten)
    second.until_started()
    apps.write_text(f"GPU-1111, {contained.pid}, 5000\n")
    run.until(lambda: run.state().gpus_outside_lease == ("1",), 10)
    assert os.path.exists(f"/proc/{contained.pid}")
