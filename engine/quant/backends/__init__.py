"""Quantizer libraries behind one interface; each is imported on first use, since importing takes seconds."""

import importlib

from engine.contracts.errors import YoloqatError
from engine.quant.backends.interface import Backend

DEFAULT = "pytorch-quantization"
MODULES = {DEFAULT: "pytorch_quantization", "modelopt": "modelopt"}
"""Backend name → the module of this package that defines it as `BACKEND`."""
PACKAGES = {DEFAULT: "yoloqat", "modelopt": "'yoloqat[modelopt]'"}
"""Backend name → the pip requirement that installs it."""


def load_backend(name: str) -> Backend:
    """Import and return a backend.

    Raises:
        YoloqatError: the name is unknown, or its library cannot be imported.
    """
    if name not in MODULES:
        raise YoloqatError(
            f"unknown quantization backend {name!r}", hint=f"Choose from: {', '.join(MODULES)}; or update yoloqat."
        )
    try:
        module = importlib.import_module(f"{__name__}.{MODULES[name]}")
    except (ImportError, AttributeError, RuntimeError) as error:  # the latter two with a torch it was not built for
        raise YoloqatError(
            f"the quantization backend {name} cannot be imported: {error}",
            hint=f"Install it: pip install {PACKAGES[name]}",
        ) from error
    backend: Backend = module.BACKEND
    return backend
