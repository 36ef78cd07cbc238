"""Count the convolutions that ONNX Runtime runs in int8."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

INT8 = frozenset({"QLinearConv", "ConvInteger", "MatMulIntegerToFloat"})
FLOAT = frozenset({"Conv", "FusedConv", "NhwcFusedConv", "MatMul", "FusedMatMul", "Gemm"})
"""Matrix products count as convolutions: ours all stem from 1×1 convolutions, see `int8_head`."""


@dataclass(frozen=True)
class Coverage:
    """Operator counts of the graph that ONNX Runtime runs on a CPU."""

    int8: int
    """Convolutions that run in int8."""
    convolutions: int
    operators: dict[str, int]
    """Operator → number of nodes, most frequent first."""


def int8_coverage(path: Path) -> Coverage:
    """Optimise a file for this CPU with ONNX Runtime, and count its operators."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        operators = Counter(node.op_type for node in onnx.load(optimised).graph.node)
    int8 = sum(operators[name] for name in INT8)
    return Coverage(int8, int8 + sum(operators[name] for name in FLOAT), dict(operators.most_common()))
