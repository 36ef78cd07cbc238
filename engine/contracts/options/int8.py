"""Options of `int8`."""

from typing import Literal

from engine.contracts.options.base import option
from engine.contracts.options.evaluate import EvaluationOptions, Letterbox

Head = Literal["int8", "float"]


class Int8Options(EvaluationOptions):
    """Rewrite an exported ONNX Q/DQ file so that ONNX Runtime runs it in int8; evaluate it, and time it."""

    weights: str = option(..., "ONNX Q/DQ file written by `export`")
    data: str = option("", "data set YAML; with it, the file is evaluated")
    head: Head = option(
        "int8",
        "the head's own convolutions, whose output stays float: `int8` runs them as matrix products, a tenth faster;"
        " `float` leaves them, and the file equal bit for bit whatever the shapes",
    )
    batch_size: int = option(8, "images per batch of the evaluation", ge=1)
    letterbox: Letterbox = option("square", "an exported file takes square images; `rect` is refused")
    workers: int = option(4, "processes that load images", ge=0)
    threads: int = option(1, "CPU threads of the timing", ge=1)
    rounds: int = option(20, "timed runs of each file; 0 times nothing", ge=0)
    notest: bool = option(False, "do not evaluate")
