"""The terminal of this process."""

import contextlib
import os


def current_terminal() -> str:
    """Return the path of the terminal that stderr, stdout or stdin is; empty when none of them is one."""
    for descriptor in (2, 1, 0):
        with contextlib.suppress(OSError):
            return os.ttyname(descriptor)
    return ""
