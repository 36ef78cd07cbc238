"""`yoloqat doctor` finds what would kill runs, and says what to do."""

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.services.doctor.database import check_database
from app.services.doctor.disk import check_disk, check_file_system
from app.services.doctor.finding import Finding, Level
from app.services.doctor.limits import check_memory, check_shared_memory
from app.services.doctor.logout import check_logout
from app.services.doctor.packages import check_gpu, check_packages


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def only(findings: object) -> Finding:
    (finding,) = findings  # type: ignore[misc]
    assert isinstance(finding, Finding)
    return finding


@pytest.mark.parametrize(
    ("files", "lingers", "level"),
    [
        ({}, False, Level.OK),
        ({"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False, Level.OK),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, False, Level.PROBLEM),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses = yes\n"}, True, Level.OK),
        ({"usr/lib/systemd/logind.conf.d/1.conf": "KillUserProcesses=true\n"}, False, Level.PROBLEM),
        (
            {
                "etc/systemd/logind.conf": "KillUserProcesses=yes\n",
                "etc/systemd/logind.conf.d/9.conf": "KillUserProcesses=no\n",
            },
            False,
            Level.OK,
        ),
    ],
)  # fmt: skip
def test_a_logout_that_kills_runs(tmp_path: Path, files: dict[str, str], lingers: bool, level: Level) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    for name, text in files.items():
        write(tmp_path / name, text)
    if lingers:
        write(tmp_path / "var/lib/systemd/linger/ada", "")
    finding = only(check_logout(tmp_path, "ada"))
    assert finding.level is level
    assert ("loginctl enable-linger ada" in finding.hint) == (level is Level.PROBLEM)


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
    assert finding.text.startswith("0.5 GB")
    write(tmp_path / "memory.max", "max\n")
    assert only(check_memory(tmp_path)).level is Level.OK


def test_shared_memory_that_is_not_there(tmp_path: Path) -> None:
    assert only(check_shared_memory(tmp_path / "shm")).level is Level.WARNING


def test_a_driver_that_this_torch_cannot_use(tmp_path: Path) -> None:
    import importlib.metadata

    driver = write(tmp_path / "version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.1\nGCC\n")
    finding = only(check_gpu(driver))
    is_cpu_build = importlib.metadata.version("torch").endswith("+cpu")
    assert finding.level is (Level.PROBLEM if is_cpu_build else Level.OK)
    assert only(check_gpu(tmp_path / "none")).level is Level.OK


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
    from engine.contracts.mounts import mount_of

    remote = mount_of(tmp_path, mounts(tmp_path, "nfs4"))
    assert durability(remote)[0] == "journal_mode = DELETE"
    assert durability(mount_of(tmp_path, mounts(tmp_path, "ext4")))[0] == "journal_mode = WAL"
    store = open_store(tmp_path / "yoloqat.db")
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    store.close()
