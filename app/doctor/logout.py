"""Does a logout kill what the user has started?"""

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
Ask = Callable[[str], str]
"""The value of a property of logind; empty where it does not answer."""


@dataclass(frozen=True, slots=True)
class _Policy:
    kills: bool
    only: tuple[str, ...]
    spared: tuple[str, ...]

    def concerns(self, user: str) -> bool:
        """As logind decides it: those who are spared come first."""
        if user in self.spared:
            return False
        return user in self.only if self.only else self.kills


def check_logout(root: Path = Path("/"), user: str | None = None, ask: Ask | None = None) -> Iterator[Finding]:
    """systemd's `KillUserProcesses` ends all that was started from a login session when that ends, runs included.

    Only what belongs to the user's own manager stays, and that only as long as the user lingers or has a session
    (logind.conf(5), systemd-run(1)).

    Args:
        root: of the file system; another one in tests.
        user: whose runs they are; the caller when None.
        ask: how logind is asked; over D-Bus when None.
    """
    if not (root / "run/systemd/system").is_dir():
        yield Finding(Level.OK, "logout", "no systemd here: a logout ends nothing")
        return
    name = user or _user_name()
    if not _policy(root, ask or _ask_logind).concerns(name):
        yield Finding(Level.OK, "logout", "systemd leaves processes alone at logout")
        return
    lingers = (root / "var/lib/systemd/linger" / name).exists()
    unit = _unit(root)
    if unit == "":
        yield Finding(Level.OK, "logout", "systemd kills processes at logout, but this is no login session")
    elif unit == "manager" and lingers:
        yield Finding(Level.OK, "logout", f"systemd kills processes at logout, but not these: {name} lingers")
    else:
        once = "" if lingers else f"Once: loginctl enable-linger {name}; then start"
        yield Finding(
            Level.PROBLEM,
            "logout",
            "systemd kills every process of your session when you log out (KillUserProcesses): runs would die with it",
            f"{once or 'Start'} what runs outside of the session: systemd-run --user --scope yoloqat-tui",
        )


def _unit(root: Path) -> str:
    """What this process belongs to: `session`, the user's `manager`, or neither."""
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "session"
    if re.search(r"/session-[^/]+\.scope", text):
        return "session"
    return "manager" if re.search(r"/user@\d+\.service", text) else ""


def _policy(root: Path, ask: Ask) -> _Policy:
    """What logind says; where it does not answer, what its files say."""
    values = _configured(root)
    for name in ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers"):
        answer = ask(name)
        if answer:
            kind, _, value = answer.partition(" ")
            quoted_names = re.findall(r'"([^"]*)"', value)
            values[name] = value if kind == "b" else " ".join(quoted_names)
    return _Policy(
        kills=values.get("KillUserProcesses", "no").lower() in _TRUE,
        only=tuple(values.get("KillOnlyUsers", "").split()),
        spared=tuple(values.get("KillExcludeUsers", "root").split()),
    )


def _configured(root: Path) -> dict[str, str]:
    """One main file, the first that is there, whose comments tell the defaults; then drop-ins, by their names."""
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


def _ask_logind(name: str) -> str:
    """`b true`, `as 1 "root"`."""
    busctl = shutil.which("busctl")
    if busctl is None:
        return ""
    command = [busctl, "--system", "get-property", *_MANAGER.split(), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
