"""The libraries that quantizers come from, behind one interface; each is imported when it is first needed."""

import importlib

from engine.contracts.errors import YoloqatError
from engine.quant.backends.interface import Backend

DEFAULT = "pytorch-quantization"
MODULES = {DEFAULT: "pytorch_quantization", "modelopt": "modelopt"}
"""Backend → the module of this package that defines it, as `BACKEND`."""
PACKAGES = {DEFAULT: "yoloqat", "modelopt": "'yoloqat[modelopt]'"}
"""Backend → what pip installs it with."""


def load_backend(name: str) -> Backend:
    """The backend of this name.

    Raises:
        YoloqatError: there is none, or its library cannot be imported.
    """
    if name not in MODULES:
        raise YoloqatError(
            f"there is no quantization backend {name!r}", hint=f"There are {', '.join(MODULES)}; or update yoloqat."
        )
    try:
        module = importlib.import_module(f"{__name__}.{MODULES[name]}")
    except (ImportError, AttributeError, RuntimeError) as error:  # the latter two beside another torch than its own
        raise YoloqatError(
            f"the quantization backend {name} cannot be imported: {error}",
            hint=f"It is installed by: pip install {PACKAGES[name]}",
        ) from error
    backend: Backend = module.BACKEND
    return backend
