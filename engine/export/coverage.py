"""Which convolutions ONNX Runtime really runs in int8."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

INT8 = frozenset({"QLinearConv", "ConvInteger", "MatMulIntegerToFloat"})
FLOAT = frozenset({"Conv", "FusedConv", "NhwcFusedConv", "MatMul", "FusedMatMul", "Gemm"})
"""Products are 1×1 convolutions, see `int8_head`; our models have no others."""


@dataclass(frozen=True)
class Coverage:
    """Counts of the graph as ONNX Runtime runs it on a CPU."""

    int8: int
    """Convolutions that run in int8."""
    convolutions: int
    operators: dict[str, int]
    """How often each operator occurs."""


def int8_coverage(path: Path) -> Coverage:
    """Let ONNX Runtime optimise a file for this CPU, and count."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        operators = Counter(node.op_type for node in onnx.load(optimised).graph.node)
    int8 = sum(operators[name] for name in INT8)
    return Coverage(int8, int8 + sum(operators[name] for name in FLOAT), dict(operators.most_common()))
