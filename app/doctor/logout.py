"""Check whether a logout kills runs."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.doctor.finding import Finding, Level

_SETTING = re.compile(r"^[ \t]*(Kill\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_DEFAULT = re.compile(r"^#[ \t]*(Kill\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_TRUE = ("yes", "true", "1", "on")
_FIRST_WINS = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd")
_SECONDS = 3.0
_MANAGER = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
ReadProperty = Callable[[str], str]
"""Property of logind → value; empty if logind does not answer."""


@dataclass(frozen=True, slots=True)
class _Policy:
    kills: bool
    kill_only: tuple[str, ...]
    excluded: tuple[str, ...]

    def applies_to(self, user: str) -> bool:
        """Whether logind kills processes of the user at logout: exclusions take precedence."""
        if user in self.excluded:
            return False
        return user in self.kill_only if self.kill_only else self.kills


def check_logout(
    root: Path = Path("/"), user: str | None = None, read_property: ReadProperty | None = None
) -> Iterator[Finding]:
    """Check systemd's `KillUserProcesses`, which kills all processes of a login session when it ends, runs included.

    Only processes of the user's service manager stay, as long as the user lingers or has a session (logind.conf(5),
    systemd-run(1)).

    Args:
        root: the root of the file system, replaced in tests.
        user: the owner of the runs; the caller when None.
        read_property: how to read a property of logind; over D-Bus when None.
    """
    if not (root / "run/systemd/system").is_dir():
        yield Finding(Level.OK, "logout", "no systemd: a logout kills no process")
        return
    name = user or _user_name()
    if not _policy(root, read_property or _read_logind_property).applies_to(name):
        yield Finding(Level.OK, "logout", "systemd leaves processes alone at logout")
        return
    lingers = (root / "var/lib/systemd/linger" / name).exists()
    unit = _unit(root)
    if unit == "":
        yield Finding(Level.OK, "logout", "systemd kills processes at logout, but this is no login session")
    elif unit == "manager" and lingers:
        yield Finding(Level.OK, "logout", f"systemd kills processes at logout, but not these, because {name} lingers")
    else:
        once = "" if lingers else f"Once: loginctl enable-linger {name}; then start"
        yield Finding(
            Level.PROBLEM,
            "logout",
            "systemd kills every process of your session when you log out (KillUserProcesses): runs would die with it",
            f"{once or 'Start'} what runs outside of the session: systemd-run --user --scope yoloqat-tui",
        )


def _unit(root: Path) -> str:
    """Return the unit of this process: `session`, the user's `manager`, or empty for neither."""
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "session"
    if re.search(r"/session-[^/]+\.scope", text):
        return "session"
    return "manager" if re.search(r"/user@\d+\.service", text) else ""


def _policy(root: Path, read_property: ReadProperty) -> _Policy:
    """Return the policy that logind reports; if it does not answer, that of its configuration files."""
    values = _configured(root)
    for name in ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers"):
        answer = read_property(name)
        if answer:
            kind, _, value = answer.partition(" ")
            quoted_names = re.findall(r'"([^"]*)"', value)
            values[name] = value if kind == "b" else " ".join(quoted_names)
    return _Policy(
        kills=values.get("KillUserProcesses", "no").lower() in _TRUE,
        kill_only=tuple(values.get("KillOnlyUsers", "").split()),
        excluded=tuple(values.get("KillExcludeUsers", "root").split()),
    )


def _configured(root: Path) -> dict[str, str]:
    """Read the first main file that exists, whose comments hold the defaults; then drop-ins in order of their names."""
    values: dict[str, str] = {}
    files = [root / folder / "logind.conf" for folder in _FIRST_WINS]
    main = next((path for path in files if path.is_file()), None)
    if main is not None:
        values.update(_DEFAULT.findall(_read(main)))
        values.update(_SETTING.findall(_read(main)))
    drop_ins: dict[str, Path] = {}
    for folder in reversed(_FIRST_WINS):
        drop_ins.update({path.name: path for path in (root / folder / "logind.conf.d").glob("*.conf")})
    for _, path in sorted(drop_ins.items()):
        values.update(_SETTING.findall(_read(path)))
    return values


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read_logind_property(name: str) -> str:
    """Read a property with busctl: `b true`, `as 1 "root"`."""
    busctl = shutil.which("busctl")
    if busctl is None:
        return ""
    command = [busctl, "--system", "get-property", *_MANAGER.split(), name]
    try:
        completed = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return completed.stdout.strip() if completed.returncode == 0 else ""


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
