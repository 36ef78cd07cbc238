"""`yoloqat doctor` finds what would kill runs, and says what to do."""

import importlib.metadata
import os
import re
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from app.doctor.database import check_database
from app.doctor.disk import check_disk, check_file_system
from app.doctor.engine import check_engine
from app.doctor.finding import Finding, Level
from app.doctor.gpu import Torch, check_gpu, load
from app.doctor.limits import check_memory, check_shared_memory
from app.doctor.logout import check_logout
from app.doctor.packages import check_packages
from engine.contracts.errors import YoloqatError
from engine.supervise.launch.interpreter import Interpreter
from tests.conftest import REPOSITORY


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u7.scope\n"


def silent(name: str) -> str:
    """A logind that does not answer."""
    return ""


def machine(root: Path, files: dict[str, str], *, cgroup: str = SESSION, lingers: bool = False) -> Path:
    (root / "run/systemd/system").mkdir(parents=True)
    write(root / "proc/self/cgroup", cgroup)
    for name, text in files.items():
        write(root / name, text)
    if lingers:
        write(root / "var/lib/systemd/linger/ada", "")
    return root


@pytest.mark.parametrize(
    ("files", "level"),
    [
        ({}, Level.OK),
        ({"usr/lib/systemd/logind.conf": "[Login]\n#KillUserProcesses=no\n"}, Level.OK),
        # The file of the system tells in its comments what it was built with.
        ({"usr/lib/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, Level.PROBLEM),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, Level.PROBLEM),
        ({"etc/systemd/logind.conf": "#KillUserProcesses=yes\nKillUserProcesses = no\n"}, Level.OK),
        ({"usr/lib/systemd/logind.conf.d/1.conf": "KillUserProcesses=true\n"}, Level.PROBLEM),
        # Drop-ins come by their names, wherever they lie; of two of one name that of /etc counts.
        (
            {
                "etc/systemd/logind.conf.d/1.conf": "KillUserProcesses=no\n",
                "usr/lib/systemd/logind.conf.d/9.conf": "KillUserProcesses=yes\n",
            },
            Level.PROBLEM,
        ),
        (
            {
                "etc/systemd/logind.conf.d/9.conf": "KillUserProcesses=no\n",
                "usr/lib/systemd/logind.conf.d/9.conf": "KillUserProcesses=yes\n",
            },
            Level.OK,
        ),
        ({"etc/systemd/logind.conf": "KillUserProcesses=yes\nKillExcludeUsers=root ada\n"}, Level.OK),
        ({"etc/systemd/logind.conf": "KillUserProcesses=yes\nKillOnlyUsers=bob\n"}, Level.OK),
        ({"etc/systemd/logind.conf": "KillOnlyUsers=bob ada\n"}, Level.PROBLEM),
    ],
)
def test_a_logout_that_kills_runs(tmp_path: Path, files: dict[str, str], level: Level) -> None:
    finding = only(check_logout(machine(tmp_path, files), "ada", silent))
    assert finding.level is level
    assert ("loginctl enable-linger ada" in finding.hint) == (level is Level.PROBLEM)


@pytest.mark.parametrize(
    ("cgroup", "lingers", "level", "hint"),
    [
        (SESSION, True, Level.PROBLEM, "Start what runs outside of the session: systemd-run --user --scope"),
        (MANAGER, False, Level.PROBLEM, "Once: loginctl enable-linger ada; then start"),
        (MANAGER, True, Level.OK, ""),
        ("0::/system.slice/cron.service\n", False, Level.OK, ""),
    ],
)
def test_what_is_outside_of_the_session_stays(
    tmp_path: Path, cgroup: str, lingers: bool, level: Level, hint: str
) -> None:
    files = {"etc/systemd/logind.conf": "KillUserProcesses=yes\n"}
    finding = only(check_logout(machine(tmp_path, files, cgroup=cgroup, lingers=lingers), "ada", silent))
    assert finding.level is level
    assert finding.hint.startswith(hint)


def test_what_logind_says_counts_more_than_its_files(tmp_path: Path) -> None:
    root = machine(tmp_path, {"etc/systemd/logind.conf": "KillUserProcesses=no\n"})
    answers = {"KillUserProcesses": "b true", "KillOnlyUsers": "as 0", "KillExcludeUsers": 'as 1 "root"'}
    assert only(check_logout(root, "ada", answers.__getitem__)).level is Level.PROBLEM
    assert only(check_logout(root, "root", answers.__getitem__)).level is Level.OK


def test_without_systemd_a_logout_ends_nothing(tmp_path: Path) -> None:
    assert only(check_logout(tmp_path, "ada")).level is Level.OK


def mounts(tmp_path: Path, kind: str) -> Path:
    point = str(tmp_path).replace(" ", "\\040")
    lines = [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        f"40 22 0:41 / {point} rw,relatime shared:9 - {kind} server:/export rw,vers=4.2",
    ]
    return write(tmp_path / "mountinfo", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("kind", "level"), [("nfs4", Level.WARNING), ("tmpfs", Level.WARNING), ("xfs", Level.OK), ("cifs", Level.WARNING)]
)
def test_the_file_system_of_the_workspace(tmp_path: Path, kind: str, level: Level) -> None:
    finding = only(check_file_system(tmp_path / "not" / "yet", mounts(tmp_path, kind)))
    assert finding.level is level
    assert kind in finding.text


def test_a_folder_with_a_space_and_one_outside_of_the_mount(tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    table = mounts(folder, "nfs4")
    assert only(check_file_system(folder, table)).level is Level.WARNING
    assert only(check_file_system(tmp_path, table)).level is Level.OK


def test_disk_space_is_told_in_numbers(tmp_path: Path) -> None:
    finding = next(iter(check_disk(tmp_path / "new")))
    assert finding.check == "disk"
    assert " GB free" in finding.text


def test_a_memory_limit_of_the_container(tmp_path: Path) -> None:
    write(tmp_path / "memory.max", "536870912\n")
    finding = only(check_memory(tmp_path))
    assert finding.level is Level.NOTE
    assert finding.text.startswith("537 MB")
    write(tmp_path / "memory.max", "max\n")
    assert only(check_memory(tmp_path)).level is Level.OK


def test_shared_memory_that_is_not_there(tmp_path: Path) -> None:
    assert only(check_shared_memory(tmp_path / "shm")).level is Level.WARNING


CPU = Torch("2.13.0+cpu", None)
CUDA12 = Torch("2.8.0+cu126", "12.6")
NVRM = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Thu May  1 01:02:03 UTC 2025\nGCC version: gcc 12\n"


def with_gpu(root: Path, driver: str = "570.133.20", devices: bool = True) -> Path:
    write(root / "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    write(root / "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")
    if driver:
        write(root / "proc/driver/nvidia/version", NVRM.format(driver))
    if devices:
        write(root / "dev/nvidiactl", "")
    return root


def libraries(root: Path, *names: str) -> Callable[[str], Path | None]:
    """As a loader that finds these and no others."""
    for name in names:
        write(root / "lib" / name, "")
        (root / "lib" / f"{name.partition('.so')[0]}.so.1").symlink_to(name)
    return lambda name: root / "lib" / name if (root / "lib" / name).exists() else None


def problems(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    found = [finding for finding in findings if finding.level is not Level.OK]
    assert all(finding.hint for finding in found), "each says what to do"
    return [(finding.level.value, finding.text) for finding in found]


def test_a_machine_without_a_gpu_lacks_nothing(tmp_path: Path) -> None:
    assert only(check_gpu(tmp_path, CPU)).text == "no NVIDIA GPU here: torch 2.13.0+cpu computes on the CPU"


def test_a_gpu_that_works(tmp_path: Path) -> None:
    found = libraries(tmp_path, "libcuda.so.570.133.20", "libnvidia-ml.so.570.133.20")
    good, *rest = check_gpu(with_gpu(tmp_path), CUDA12, found)
    assert (good.level, good.text) == (Level.OK, "driver 570.133.20, torch 2.8.0+cu126 for CUDA 12.6")
    assert [finding.level for finding in rest] in ([], [Level.WARNING])  # whether NVML's bindings are here


@pytest.mark.parametrize(
    ("driver", "devices", "torch", "names", "expected"),
    [
        ("", True, CUDA12, (), "there is an NVIDIA GPU, but no driver is loaded"),
        ("570.133.20", True, CPU, (), "torch 2.13.0+cpu is a build for CPUs"),
        ("470.256.02", True, CUDA12, (), "driver 470.256.02 is too old for torch 2.8.0+cu126"),
        ("570.133.20", True, Torch("2.13.0", "13.0"), (), "driver 570.133.20 is too old for torch 2.13.0"),
        ("570.133.20", False, CUDA12, (), "no /dev/nvidiactl"),
        ("570.133.20", True, CUDA12, (), "libcuda.so.1, the driver's library, cannot be loaded"),
        (
            "570.133.20",
            True,
            CUDA12,
            ("libnvidia-ml.so.575.57.08",),
            "the driver's libraries are 575.57.08, the loaded kernel module is 570.133.20",
        ),
    ],
)
def test_a_gpu_that_cannot_be_used(
    tmp_path: Path, driver: str, devices: bool, torch: Torch, names: tuple[str, ...], expected: str
) -> None:
    found = problems(check_gpu(with_gpu(tmp_path, driver, devices), torch, libraries(tmp_path, *names)))
    assert any(level == "problem" and expected in text for level, text in found), found


def test_the_queue_that_cannot_see_strangers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    found = problems(check_gpu(with_gpu(tmp_path), CUDA12, libraries(tmp_path, "libcuda.so.570.133.20")))
    assert len(found) == 1
    assert found[0][1].startswith("libnvidia-ml.so.1 cannot be loaded and there is no nvidia-smi")


def test_the_engine_here_is_told_without_importing_it() -> None:
    code = (
        "import sys; from app.doctor.engine import examine_engine, check_engine, torch_of\n"
        "from engine.supervise.launch.interpreter import EngineChoice\n"
        "found = examine_engine(EngineChoice.own())\n"
        "print(next(check_engine(found, '')), torch_of(found), 'torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    torch = importlib.metadata.version("torch")
    assert f"torch {torch}" in printed.stdout
    assert f"Torch(version='{torch}', cuda=" in printed.stdout
    assert printed.stdout.endswith("False\n")


def test_a_python_without_torch_is_no_engine_and_one_that_lacks_packages_gets_its_pip_line() -> None:
    without = Interpreter(sys.executable, "3.12.1", None, "", ("it lacks torch",))
    finding = only(check_engine(without, ""))
    assert finding.level is Level.WARNING
    assert "--engine-python" in finding.hint
    pip = ("/opt/py", "-m", "pip", "install", "torch==2.9.1+cu128", "onnx>=1.17")
    lacking = Interpreter("/opt/py", "3.12.1", "2.9.1+cu128", "12.8", ("it lacks onnx",), pip)
    finding = only(check_engine(lacking, "from settings.yaml"))
    assert finding.level is Level.PROBLEM
    assert finding.hint == "Run: /opt/py -m pip install torch==2.9.1+cu128 'onnx>=1.17'"
    assert only(check_engine(YoloqatError("there is no such Python", where="/x"), "")).level is Level.PROBLEM


def test_a_library_is_found_where_the_loader_finds_it() -> None:
    found = load("libc.so.6")
    assert found is not None
    assert found.is_file()
    assert load("libcuda-that-is-not-there.so.1") is None


def test_a_package_of_the_wrong_version_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = "Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n"
    wanted = ("textual<1", "no-such-package-anywhere>=2", "numpy>=1.0", "only-on-windows; sys_platform == 'win32'")
    write(tmp_path / "made_up-1.0.dist-info/METADATA", metadata + "".join(f"Requires-Dist: {one}\n" for one in wanted))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = list(check_packages(["made-up"]))
    assert [finding.level for finding in found] == [Level.PROBLEM, Level.PROBLEM]
    assert re.fullmatch(r"textual is [\d.]+, required <1", found[0].text)
    assert found[1].text == "no-such-package-anywhere is missing"
    assert all("pip install --upgrade" in finding.hint for finding in found)


@pytest.mark.parametrize(
    ("free", "level"), [(500 << 20, Level.PROBLEM), (3 << 30, Level.WARNING), (50 << 30, Level.OK)]
)
def test_low_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[4] = free // real.f_frsize  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    finding = next(iter(check_disk(tmp_path)))
    assert finding.level is level
    assert bool(finding.hint) == (level is not Level.OK)


def test_the_packages_here_are_those_that_are_wanted() -> None:
    assert [finding for finding in check_packages() if finding.level is Level.PROBLEM] == []


def test_a_database_that_is_damaged_or_newer(tmp_path: Path) -> None:
    from db.open import open_store

    path = tmp_path / "yoloqat.db"
    assert only(check_database(path)).level is Level.OK, "none yet"
    open_store(path).close()
    assert only(check_database(path)).text == "sound"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    newer = only(check_database(path))
    assert newer.level is Level.PROBLEM
    assert "newer version" in newer.text
    path.write_bytes(b"no database at all" * 1000)
    assert only(check_database(path)).level is Level.PROBLEM


def test_the_command_tells_a_limit_that_kills(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (3600, 3600))

    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", "doctor", "--workspace", str(tmp_path / "w")],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 1, done.stderr
    assert "killed after 3600 s of CPU time" in done.stdout
    assert "ulimit -t unlimited" in done.stdout


def test_the_database_has_no_write_ahead_log_on_a_network_file_system(tmp_path: Path) -> None:
    from db.connect import durability
    from db.open import open_store
    from engine.files.mounts import mount_of

    remote = mount_of(tmp_path, mounts(tmp_path, "nfs4"))
    assert durability(remote)[0] == "journal_mode = DELETE"
    assert durability(mount_of(tmp_path, mounts(tmp_path, "ext4")))[0] == "journal_mode = WAL"
    store = open_store(tmp_path / "yoloqat.db")
    with store.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()
