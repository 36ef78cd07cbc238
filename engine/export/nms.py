"""Append NMS to an exported file, as ONNX operators or as TensorRT's plugin."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from engine.contracts.errors import YoloqatError
from engine.evaluate.onnx_outputs import DETECTIONS, NmsSettings
from engine.export.onnx_export import OUTPUT

Nms = Literal["onnx", "efficientnms"]
PLUGIN = "EfficientNMS_TRT"
PLUGIN_DOMAIN = "trt.plugins"
"""Domain of plugins in ONNX Runtime's TensorRT provider; TensorRT's own parser reads only the operator's name."""


def add_nms(model: onnx.ModelProto, kind: Nms, settings: NmsSettings) -> onnx.ModelProto:
    """Return a copy of a file that ends in NMS per class, with the outputs of `DETECTIONS`.

    Args:
        model: from `export_onnx`, with decoded boxes; its quantization is unchanged.
        kind: `onnx` runs in any ONNX runtime; `efficientnms` only in TensorRT.
        settings: thresholds, and the number of detections per image in the outputs.

    Raises:
        YoloqatError: `max_detections` exceeds the number of candidates.
    """
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    batch, boxes, fields = (d.dim_param or d.dim_value for d in extended.graph.output[0].type.tensor_type.shape.dim)
    nc = int(fields) - 5
    if settings.max_detections > int(boxes) * nc:
        raise YoloqatError(
            f"--max-detections {settings.max_detections}: at this size the model has {int(boxes) * nc} candidates",
            hint="Give a smaller --max-detections.",
        )
    nodes = _NmsNodes(extended.graph)
    nodes.add_boxes_and_scores(nc)
    if kind == "onnx":
        nodes.add_onnx_nms(int(boxes), settings)
    else:
        nodes.add_plugin(settings)
        extended.opset_import.append(helper.make_opsetid(PLUGIN_DOMAIN, 1))
    del extended.graph.output[:]
    extended.graph.output.extend(_outputs(batch, settings.max_detections))
    onnx.checker.check_model(extended, full_check=True)
    return extended


def _outputs(batch: str | int, max_detections: int) -> Sequence[onnx.ValueInfoProto]:
    count, boxes, scores, classes = DETECTIONS
    return [
        helper.make_tensor_value_info(count, TensorProto.INT32, [batch, 1]),
        helper.make_tensor_value_info(boxes, TensorProto.FLOAT, [batch, max_detections, 4]),
        helper.make_tensor_value_info(scores, TensorProto.FLOAT, [batch, max_detections]),
        helper.make_tensor_value_info(classes, TensorProto.INT32, [batch, max_detections]),
    ]


class _NmsNodes:
    """Appends the nodes of NMS to a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph

    def add_boxes_and_scores(self, nc: int) -> None:
        """Add nodes from `OUTPUT` (B, N, 5 + nc) to `nms_boxes` (B, N, 4), corners, and `nms_scores` (B, N, nc).

        With one class the score is the objectness, as in our own NMS.
        """
        self._add(
            "Split", [OUTPUT, self._ints("split", [2, 2, 1, nc])], ["centre", "size", "objectness", "classes"], axis=2
        )
        self._add("Mul", ["nms_size", self._constant("half", np.float32(0.5))], ["half_size"])
        self._add("Sub", ["nms_centre", "nms_half_size"], ["low"])
        self._add("Add", ["nms_centre", "nms_half_size"], ["high"])
        self._add("Concat", ["nms_low", "nms_high"], ["boxes"], axis=2)
        if nc == 1:
            self._add("Identity", ["nms_objectness"], ["scores"])
        else:
            self._add("Mul", ["nms_classes", "nms_objectness"], ["scores"])

    def add_plugin(self, settings: NmsSettings) -> None:
        """Add TensorRT's plugin, version 1, which suppresses within each class by default."""
        node = helper.make_node(
            PLUGIN,
            ["nms_boxes", "nms_scores"],
            list(DETECTIONS),
            "nms",
            domain=PLUGIN_DOMAIN,
            plugin_version="1",
            score_threshold=settings.score_threshold,
            iou_threshold=settings.iou_threshold,
            max_output_boxes=settings.max_detections,
            background_class=-1,
            score_activation=0,
            box_coding=0,
        )
        self._graph.node.append(node)

    def add_onnx_nms(self, boxes: int, settings: NmsSettings) -> None:
        """Add NMS in ONNX operators.

        NonMaxSuppression returns (image, class, box) triples. Their scores are scattered back into a zero tensor
        (B, nc, N), from which TopK takes the best of each image.

        Args:
            boxes: N, the number of boxes per image.
            settings: see `add_nms`.
        """
        count, output_boxes, output_scores, output_classes = DETECTIONS
        max_detections = self._ints("max_detections", [settings.max_detections])
        self._add("Transpose", ["nms_scores"], ["by_class"], perm=[0, 2, 1])
        thresholds = [
            self._constant(name, np.array([value], np.float32))
            for name, value in (("iou", settings.iou_threshold), ("score", settings.score_threshold))
        ]
        self._add("NonMaxSuppression", ["nms_boxes", "nms_by_class", max_detections, *thresholds], ["selected"])
        self._add("GatherND", ["nms_by_class", "nms_selected"], ["selected_scores"])
        self._add("Shape", ["nms_by_class"], ["shape"])
        self._add("ConstantOfShape", ["nms_shape"], ["nothing"], value=numpy_helper.from_array(np.zeros(1, np.float32)))
        self._add("ScatterND", ["nms_nothing", "nms_selected", "nms_selected_scores"], ["survivors"])
        self._add("Reshape", ["nms_survivors", self._ints("flat", [0, -1])], ["flattened"])
        self._add("TopK", ["nms_flattened", max_detections], ["best", "place"], axis=1)
        self._add("Identity", ["nms_best"], [output_scores], prefix="")
        every = self._constant("boxes_of_a_class", np.int64(boxes))
        self._add("Div", ["nms_place", every], ["class"])
        self._add("Mul", ["nms_class", every], ["first"])
        self._add("Sub", ["nms_place", "nms_first"], ["box"])
        last = self._ints("last", [2])
        self._add("Greater", ["nms_best", self._constant("none", np.float32(0))], ["valid"])
        self._add("Cast", ["nms_valid"], ["valid_int"], to=TensorProto.INT32)
        self._add("ReduceSum", ["nms_valid_int", self._ints("row", [1])], [count], prefix="", keepdims=1)
        self._add("Cast", ["nms_class"], ["class_int"], to=TensorProto.INT32)
        self._add("Mul", ["nms_class_int", "nms_valid_int"], [output_classes], prefix="")
        self._add("Unsqueeze", ["nms_box", last], ["box_index"])
        self._add("GatherND", ["nms_boxes", "nms_box_index"], ["best_boxes"], batch_dims=1)
        self._add("Cast", ["nms_valid"], ["valid_float"], to=TensorProto.FLOAT)
        self._add("Unsqueeze", ["nms_valid_float", last], ["valid_column"])
        self._add("Mul", ["nms_best_boxes", "nms_valid_column"], [output_boxes], prefix="")

    def _add(
        self, operator: str, inputs: list[str], outputs: list[str], *, prefix: str = "nms_", **attributes: object
    ) -> None:
        names = [f"{prefix}{name}" for name in outputs]
        node: NodeProto = helper.make_node(operator, inputs, names, f"nms_make_{outputs[0]}", **attributes)
        self._graph.node.append(node)

    def _ints(self, name: str, values: list[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        prefixed = f"nms_constant_{name}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), prefixed))
        return prefixed
