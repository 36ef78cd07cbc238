"""Import pytorch-quantization without letting it change the process's logging.

Importing the library adds absl's handler to the root logger, each of its log calls configures a root logger that has no
handler, and every quantizer logs its creation. Import the library through this module only; the installed package is
not patched.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


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


with preserve_root_logger():
    from absl import logging as absl_logging
    from pytorch_quantization.nn import QuantConv2d, TensorQuantizer
    from pytorch_quantization.tensor_quant import QuantDescriptor

    absl_logging.set_verbosity(absl_logging.ERROR)

__all__ = ["QuantConv2d", "QuantDescriptor", "TensorQuantizer", "preserve_root_logger"]
