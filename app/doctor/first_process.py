"""Check the first process of a container: it collects what has ended, and its end ends everything."""

from collections.abc import Iterator
from pathlib import Path

from app.doctor.finding import Finding, Level

_INITS = frozenset(
    ("systemd", "init", "tini", "dumb-init", "docker-init", "podman-init", "catatonit", "s6-svscan", "runit", "launchd")
)


def check_first_process(proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Check whether process 1 is an init, which collects the processes that outlive who started them."""
    try:
        name = (proc / "1" / "comm").read_text().strip()
    except OSError:
        return
    if name not in _INITS:
        yield Finding(
            Level.NOTE,
            "process 1",
            f"process 1 is {name}, not an init: runs end when it does, and ended ones may stay as zombies",
            "Start the container with `docker run --init`, with a shell or a service that stays.",
        )
