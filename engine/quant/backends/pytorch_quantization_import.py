"""Import pytorch-quantization without letting it change the process's logging, and without scipy.stats.

Importing the library adds absl's handler to the root logger, each of its log calls configures a root logger that has no
handler, and every quantizer logs its creation. Its histogram calibrator imports scipy.stats, which takes two seconds of
CPU, for one function that only its own entropy calibration calls; ours does not. Import the library through this module
only; the installed package is not patched.
"""

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def preserve_root_logger() -> Iterator[None]:
    """Restore the root logger's handlers and level on exit."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _scipy_stats_on_demand() -> Iterator[None]:
    """Import scipy.stats only when its `entropy` is called, for modules that are imported in the block."""
    name = "scipy.stats"
    if name in sys.modules:
        yield
        return

    def entropy(*arguments: Any, **options: Any) -> Any:
        return importlib.import_module(name).entropy(*arguments, **options)

    stand_in = ModuleType(name)
    stand_in.entropy = entropy  # type: ignore[attr-defined]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


with preserve_root_logger(), _scipy_stats_on_demand():
    from absl import logging as absl_logging
    from pytorch_quantization.nn import QuantConv2d, TensorQuantizer
    from pytorch_quantization.tensor_quant import QuantDescriptor

    absl_logging.set_verbosity(absl_logging.ERROR)

__all__ = ["QuantConv2d", "QuantDescriptor", "TensorQuantizer", "preserve_root_logger"]
