"""pytorch-quantization, imported so that it leaves the process's logging alone.

Importing the library hangs absl's handler on the root logger and prints a warning per quantizer. Everything here that
needs the library takes it from this module; nothing of the installed package is changed.
"""

import logging


def _import_quietly() -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    import pytorch_quantization.nn  # noqa: F401
    from absl import logging as absl_logging

    root.handlers[:] = handlers
    root.setLevel(level)
    absl_logging.set_verbosity(absl_logging.ERROR)


_import_quietly()

from pytorch_quantization.nn import QuantConv2d, TensorQuantizer  # noqa: E402
from pytorch_quantization.tensor_quant import QuantDescriptor  # noqa: E402

__all__ = ["QuantConv2d", "QuantDescriptor", "TensorQuantizer"]
