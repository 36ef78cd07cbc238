"""Does a logout kill what the user has started?"""

import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from app.services.doctor.finding import Finding, Level

_SETTING = re.compile(r"^\s*KillUserProcesses\s*=\s*(\S+)", re.MULTILINE)
_TRUE = ("yes", "true", "1", "on")
_LATER_WINS = ("usr/lib/systemd", "usr/local/lib/systemd", "etc/systemd", "run/systemd")


def check_logout(root: Path = Path("/"), user: str | None = None) -> Iterator[Finding]:
    """systemd's `KillUserProcesses` ends every process of a user at the end of the last session, runs included.

    Args:
        root: of the file system; another one in tests.
        user: whose runs they are; the caller when None.
    """
    if not (root / "run/systemd/system").is_dir():
        yield Finding(Level.OK, "logout", "no systemd here: a logout ends nothing")
        return
    if not _kills(root):
        yield Finding(Level.OK, "logout", "systemd leaves processes alone at logout")
        return
    name = user or _user_name()
    if (root / "var/lib/systemd/linger" / name).exists():
        yield Finding(Level.OK, "logout", f"systemd kills processes at logout, but not those of {name}, who lingers")
        return
    yield Finding(
        Level.PROBLEM,
        "logout",
        "systemd kills every process of yours when you log out (KillUserProcesses=yes): runs would die with it",
        f"Once: loginctl enable-linger {name}",
    )


def _kills(root: Path) -> bool:
    values: list[str] = []
    for folder in _LATER_WINS:
        base = root / folder
        for path in (base / "logind.conf", *sorted((base / "logind.conf.d").glob("*.conf"))):
            try:
                values += _SETTING.findall(path.read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
    return bool(values) and values[-1].lower() in _TRUE


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
