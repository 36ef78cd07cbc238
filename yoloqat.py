"""Entry point of the commands and of every Python process of ours: puts our own packages first on `sys.path`.

`app`, `configs`, `db` and `engine` are names that anybody's project may have. A wheel therefore holds them in the
folder `_yoloqat` beside this file, a source tree holds them beside it. First on the path, they win over modules of
these names on PYTHONPATH, in the working directory and in site-packages, all of which stay in force for other names.

    yoloqat, yoloqat-tui                               the commands, by their console scripts
    python -m yoloqat                                  the same as `yoloqat`
    python -P yoloqat.py --module MODULE [ARGUMENT …]  one of our modules as a program: see `engine.files.programs`
"""

import os
import runpy
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_IN_A_WHEEL = os.path.join(_HERE, "_yoloqat")
FOLDER = _IN_A_WHEEL if os.path.isdir(_IN_A_WHEEL) else _HERE
"""The folder that holds our packages."""


def main() -> int:
    """`yoloqat`. Returns its exit code."""
    _prepare("yoloqat")
    from app.cli.main import main as command

    return command()


def tui() -> int:
    """`yoloqat-tui`. Returns its exit code."""
    _prepare("yoloqat-tui")
    from app.tui import main as command

    return command()


def _prepare(program: str) -> None:
    if sys.platform != "linux":
        # Runs are supervised by way of /proc, child subreapers, pidfds and flock.
        sys.exit(f"{program}: this needs Linux, and this is {sys.platform}\n  On Windows, use it inside of WSL 2.")
    _put_own_packages_first()


def _put_own_packages_first() -> None:
    if sys.path[:1] != [FOLDER]:
        sys.path.insert(0, FOLDER)


def _run_as_program() -> None:
    if not sys.flags.safe_path:
        # The working directory after `-m`; by path it is the folder of this file, and with it all of site-packages,
        # before the standard library.
        del sys.path[0]
    if sys.argv[1:2] != ["--module"] or len(sys.argv) < 3:
        sys.exit(main())
    _prepare("yoloqat")
    module = sys.argv.pop(2)
    del sys.argv[1]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run_as_program()
