"""What limits this session: read from trees of control groups as kernels and containers show them."""

from pathlib import Path

import pytest

from app.doctor.cgroup import check_cgroup
from app.doctor.finding import Finding
from app.doctor.first_process import check_first_process
from app.doctor.locks import check_locks


def tree(root: Path, membership: str, **files: str) -> list[Finding]:
    """The findings of a tree; the names of files have `__` for a slash."""
    (root / "fs").mkdir()
    for name, text in files.items():
        file = root / "fs" / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    (root / "cgroup").write_text(membership)
    return list(check_cgroup(root / "cgroup", root / "fs"))


def test_the_tightest_limit_of_the_groups_around_counts(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        "0::/user.slice/user-1.slice/session.scope\n",
        user_dot_slice__memory_dot_max="max",
        **{
            "user_dot_slice__user-1_dot_slice__memory_dot_max": str(8 << 30),
            "user_dot_slice__user-1_dot_slice__session_dot_scope__memory_dot_max": str(16 << 30),
            "user_dot_slice__user-1_dot_slice__session_dot_scope__pids_dot_max": "100",
            "user_dot_slice__cpu_dot_max": "150000 100000",
        },
    )
    texts = [finding.text for finding in found]
    assert texts[0].startswith("8.59 GB for everything in /user.slice/user-1.slice: the kernel kills")
    assert texts[1].startswith("100 processes and threads in /user.slice/user-1.slice/session.scope")
    assert texts[2].startswith("1.5 cores for everything in /user.slice")
    assert all(finding.hint for finding in found[:2])


def test_a_limit_that_slows_down_is_told_beside_one_that_kills(tmp_path: Path) -> None:
    found = tree(tmp_path, "0::/a\n", a__memory_dot_high=str(1 << 30), a__memory_dot_max=str(2 << 30))
    assert [finding.text.split(" for ")[0] for finding in found] == ["2.15 GB", "beyond 1.07 GB"]


def test_groups_of_version_1(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        "5:memory:/job\n4:cpu:/job\n3:pids:/\n1:name=systemd:/x\n",
        memory__job__memory_dot_limit_in_bytes=str(4 << 30),
        cpu__job__cpu_dot_cfs_quota_us="-1",
        cpu__job__cpu_dot_cfs_period_us="100000",
        pids__pids_dot_max="max",
    )
    assert [finding.check for finding in found] == ["session memory"]


@pytest.mark.parametrize("membership", ["", "0::/gone\n", "0::/../../outside\n"])
def test_without_limits_there_is_nothing_to_say(tmp_path: Path, membership: str) -> None:
    assert tree(tmp_path, membership) == []
    assert list(check_cgroup(tmp_path / "absent", tmp_path)) == []


def test_locks_work_where_they_do(tmp_path: Path) -> None:
    (finding,) = check_locks(tmp_path)
    assert (finding.level, finding.check) == ("ok", "locks")
    assert list(tmp_path.iterdir()) == []


def test_what_other_machines_see_of_locks_is_not_promised(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 0:33 / {tmp_path} rw,relatime shared:1 - nfs4 server:/export rw\n")
    (finding,) = check_locks(tmp_path, mounts)
    assert "whether other machines see it cannot be told" in finding.text


@pytest.mark.parametrize(("name", "count"), [("bash", 1), ("python3", 1), ("systemd", 0), ("tini", 0)])
def test_process_1(tmp_path: Path, name: str, count: int) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "comm").write_text(f"{name}\n")
    assert len(list(check_first_process(tmp_path))) == count
