"""The kernel's count of processes killed for lack of memory, in the memory cgroup that this process lives in."""

import os


def oom_kills() -> int | None:
    """Return the kernel's count of out-of-memory kills, None where it does not tell. Compare two calls."""
    for path, key in _candidates():
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    name, _, value = line.partition(" ")
                    if name == key:
                        return int(value)
        except (OSError, ValueError):
            continue
    return None


def oom_kills_since(before: int | None) -> int:
    """Return the count of out-of-memory kills since an earlier call; 0 where the kernel does not tell."""
    after = oom_kills()
    return 0 if before is None or after is None else max(after - before, 0)


def _candidates() -> list[tuple[str, str]]:
    """Return files that may hold the count: cgroup v1's memory controller, then v2, then what a container sees as
    its root.
    """
    paths = []
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            for line in file:
                _, controllers, group = line.rstrip("\n").split(":", 2)
                group = group.lstrip("/")
                if "memory" in controllers.split(","):
                    paths.append((os.path.join("/sys/fs/cgroup/memory", group, "memory.oom_control"), "oom_kill"))
                elif not controllers:
                    paths.append((os.path.join("/sys/fs/cgroup", group, "memory.events"), "oom_kill"))
    except OSError:
        pass
    return [
        *paths,
        ("/sys/fs/cgroup/memory.events", "oom_kill"),
        ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
    ]
