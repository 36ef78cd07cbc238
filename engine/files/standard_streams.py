"""Standard streams that were closed by whoever started this process (`>&-`)."""

import os
import sys


def open_closed_streams() -> None:
    """Open stdin, stdout and stderr on /dev/null where they are closed. Call it before anything is opened.

    Otherwise the next file that is opened, a database perhaps, becomes stdout, and a child writes its output into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
