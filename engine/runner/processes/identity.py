"""Who a process is: pid, start time and boot id. A pid alone is reused; the three together never are."""

import errno
import os
import signal
from functools import cache
from typing import Any, NamedTuple

ALIVE = "alive"
GONE = "gone"
REBOOTED = "rebooted"
"""The process is gone because the machine has been restarted since."""
ELSEWHERE = "elsewhere"
"""On another machine, or in another container: its pid says nothing here."""


class Identity(NamedTuple):
    """One process, for all time."""

    pid: int
    start_time: int
    """Clock ticks between boot and start (`/proc/<pid>/stat`, field 22); the wall clock does not enter it."""
    boot_id: str
    host: str
    pid_namespace: str


class Stat(NamedTuple):
    """The fields of `/proc/<pid>/stat` that matter here."""

    pid: int
    state: str
    ppid: int
    cpu_ticks: int
    """User and system time of the process itself."""
    start_time: int
    rss_pages: int


def read_stat(pid: int) -> Stat | None:
    """Return what the kernel says of a process, None when there is no such pid."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:  # it ended meanwhile
        return None
    finally:
        os.close(descriptor)
    # The name stands in parentheses and may hold spaces and parentheses itself: the fields start after the last one.
    fields = text[text.rfind(b")") + 2 :].split()
    return Stat(
        pid=pid,
        state=fields[0].decode(),
        ppid=int(fields[1]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        start_time=int(fields[19]),
        rss_pages=int(fields[21]),
    )


@cache
def boot_id() -> str:
    """Return an id that changes with every boot; empty where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


@cache
def pid_namespace() -> str:
    """Return the name of the set of pids that this process sees."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process, None when there is none."""
    stat = read_stat(pid)
    if stat is None:
        return None
    return Identity(pid, stat.start_time, boot_id(), os.uname().nodename, pid_namespace())


def from_record(record: Any) -> Identity | None:
    """Return the identity that a JSON record holds, None when it holds none."""
    try:
        return Identity(
            pid=int(record["pid"]),
            start_time=int(record["start_time"]),
            boot_id=str(record["boot_id"]),
            host=str(record["host"]),
            pid_namespace=str(record["pid_namespace"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def presence(identity: Identity) -> str:
    """Return whether exactly this process is there: ALIVE, GONE, REBOOTED or ELSEWHERE. A zombie is gone."""
    if identity.boot_id != boot_id():
        return REBOOTED if identity.host == os.uname().nodename else ELSEWHERE
    if identity.pid_namespace != pid_namespace():
        return ELSEWHERE
    stat = read_stat(identity.pid)
    if stat is None or stat.start_time != identity.start_time or stat.state in "ZX":
        return GONE
    return ALIVE


def send_signal(identity: Identity, signal_number: int) -> bool:
    """Signal exactly this process, never another that got its pid. False when it is gone or not ours to signal."""
    return presence(identity) == ALIVE and send_signal_to(identity.pid, identity.start_time, signal_number)


def send_signal_to(pid: int, start_time: int, signal_number: int) -> bool:
    """Signal the process on this machine that has this pid and started then. False when it is gone or not ours.

    The check comes after the process descriptor is open, so that no reuse of the pid can fall in between.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            return False
        descriptor = None  # a kernel before 5.3
    try:
        stat = read_stat(pid)
        if stat is None or stat.start_time != start_time:
            return False
        if descriptor is None:
            os.kill(pid, signal_number)
        else:
            signal.pidfd_send_signal(descriptor, signal_number)
    except OSError:
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True
