"""What an interpreter has: its version, and of each asked module whether it is there and in which version.

`python probe.py MODULE=DISTRIBUTION,… …` prints it as JSON. A program of its own that any Python 3 can read, for it
runs in the interpreter that is asked. Nothing is imported: torch alone would take seconds.
"""

import sys


def describe(asked: "list[str]") -> "dict[str, object]":
    """Look in this interpreter.

    Args:
        asked: `cv2=opencv-python-headless,opencv-python`: a module, and the distributions that may have brought it.
    """
    import platform

    python = platform.python_version()
    if sys.version_info < (3, 8):  # noqa: UP036, any Python 3 may be asked; importlib.metadata is not there
        return {"python": python, "modules": {}, "cuda": ""}
    import importlib.util

    modules = {}
    for text in asked:
        module, _, names = text.partition("=")
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            modules[module] = _version(names.split(","))
    return {"python": python, "modules": modules, "cuda": _cuda()}


def _version(names: "list[str]") -> "str":
    """Return the version of the first distribution that is installed; empty where none is, as of a build by hand."""
    from importlib import metadata

    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _cuda() -> "str":
    """Return the CUDA that torch was built for; empty for a build for CPUs, and without torch."""
    import importlib.util
    import os
    import re

    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return ""
    try:
        with open(os.path.join(os.path.dirname(spec.origin), "version.py"), encoding="utf-8") as file:
            version_match = re.search(r"^cuda\b[^=\n]*= *'([\d.]+)'", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return version_match.group(1) if version_match else ""


if __name__ == "__main__":
    import json

    sys.path[0] = "/"  # not our own folder: its modules are none of the interpreter's
    print(json.dumps(describe(sys.argv[1:])))
