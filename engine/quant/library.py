"""pytorch-quantization, used so that it leaves the process's logging alone.

Importing the library hangs absl's handler on the root logger, each of its log calls configures a root logger that has
no handler, and every quantizer announces itself. Everything here that needs the library takes it from this module;
nothing of the installed package is changed.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """Give the root logger back its handlers and level, whatever happens to them inside."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


with root_logger_kept():
    from absl import logging as absl_logging
    from pytorch_quantization.nn import QuantConv2d, TensorQuantizer
    from pytorch_quantization.tensor_quant import QuantDescriptor

    absl_logging.set_verbosity(absl_logging.ERROR)

__all__ = ["QuantConv2d", "QuantDescriptor", "TensorQuantizer", "root_logger_kept"]
