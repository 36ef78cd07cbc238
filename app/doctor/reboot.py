"""Does what is queued go on after a reboot?"""

import shlex
import shutil
import sys
from collections.abc import Iterator

from app.doctor.finding import Finding, Level


def check_reboot() -> Iterator[Finding]:
    """Offer the line that starts queued runs after a reboot: without it they wait for the next command."""
    program = shutil.which("yoloqat") or sys.argv[0]
    yield Finding(
        Level.NOTE,
        "reboot",
        "queued runs wait for the next `yoloqat queue`, launch or open screen",
        f"To start them at once, add a line with `crontab -e`: @reboot {shlex.quote(program)} queue --boot",
    )
