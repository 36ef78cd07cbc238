"""Check the limits of the control groups that this session is in: they kill, refuse or slow down what runs in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.doctor.finding import Finding, Level
from app.formatting import size

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_FEW_PROCESSES = 500
"""A training with eight loader workers and its libraries' threads takes about a hundred; threads count, too."""
_UNLIMITED_V1 = 1 << 60
"""What version 1 shows for no limit of memory is the largest multiple of a page below 2^63."""


@dataclass(frozen=True)
class Limit:
    """The tightest value among a group and those around it."""

    value: float
    group: str


def check_cgroup(membership: Path = _MEMBERSHIP, root: Path = _ROOT) -> Iterator[Finding]:
    """Check the limits of memory, processes and CPU time of this session's own control group and those around it."""
    folders = list(_folders(membership, root))
    inner = [(name, folder) for name, folder in folders if name != "/"]  # `check_memory` tells the outermost limit
    memory = _tightest(inner, ("memory.max", "memory.limit_in_bytes"))
    if memory is not None and memory.value < _UNLIMITED_V1:
        yield Finding(
            Level.WARNING,
            "session memory",
            f"{size(int(memory.value))} for everything in {memory.group}: the kernel kills processes beyond it",
            "Count data-loader workers, too. Ask for more: `systemd-run --user --scope -p MemoryMax=…`, docker's "
            "--memory, Slurm's --mem.",
        )
    throttled = _tightest(folders, ("memory.high",))
    if throttled is not None and (memory is None or throttled.value < memory.value):
        yield Finding(
            Level.WARNING,
            "session memory",
            f"beyond {size(int(throttled.value))} for everything in {throttled.group}, processes are slowed down",
        )
    processes = _tightest(folders, ("pids.max",))
    if processes is not None and processes.value < _FEW_PROCESSES:
        yield Finding(
            Level.WARNING,
            "session processes",
            f"{processes.value:.0f} processes and threads in {processes.group}: beyond it, forks fail",
            "Train with fewer --workers, or ask for more: docker's --pids-limit, systemd's TasksMax.",
        )
    cores = _tightest_cores(folders)
    if cores is not None:
        yield Finding(
            Level.NOTE, "session CPU", f"{cores.value:.1f} cores for everything in {cores.group}; beyond it, they wait"
        )


def _folders(membership: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and folder of each group around this process, of version 2 and of each controller of version 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        top = root / controllers if controllers else root
        if not top.is_dir():
            continue
        group = PurePosixPath(name)
        for path in (group, *group.parents):
            folder = top / str(path).lstrip("/")
            if folder.is_dir():  # in a container, the groups outside of it are not shown
                yield str(path), folder


def _tightest(folders: list[tuple[str, Path]], files: tuple[str, ...]) -> Limit | None:
    limits = [
        Limit(float(text), name)
        for name, folder in folders
        for file in files
        if (text := _read(folder / file)).isdigit()
    ]
    return min(limits, key=lambda limit: limit.value, default=None)


def _tightest_cores(folders: list[tuple[str, Path]]) -> Limit | None:
    """Return the cores that `cpu.max` (or quota and period of version 1) leave."""
    limits = []
    for name, folder in folders:
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(Limit(int(quota) / int(period), name))
    return min(limits, key=lambda limit: limit.value, default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
