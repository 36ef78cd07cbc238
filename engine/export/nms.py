"""NMS at the end of an exported file: in ONNX's operators, or as TensorRT's plugin."""

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
"""TensorRT's parser goes by the operator's name; ONNX Runtime's TensorRT provider has plugins in this domain."""


def add_nms(model: onnx.ModelProto, kind: Nms, settings: NmsSettings) -> onnx.ModelProto:
    """A copy of a file with decoded boxes that ends in NMS, per class, with the outputs of `DETECTIONS`.

    Args:
        model: of `export_onnx`; its quantization is left as it is.
        kind: `onnx` runs wherever ONNX does; `efficientnms` in TensorRT alone.
        settings: thresholds, and how many detections each image's outputs have room for.

    Raises:
        YoloqatError: there is room for more detections than there are candidates.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    batch, boxes, fields = (d.dim_param or d.dim_value for d in made.graph.output[0].type.tensor_type.shape.dim)
    nc = int(fields) - 5
    if settings.max_detections > int(boxes) * nc:
        raise YoloqatError(
            f"--max-detections {settings.max_detections}: at this size the model has {int(boxes) * nc} candidates",
            hint="Ask for fewer.",
        )
    build = _Nodes(made.graph)
    build.boxes_and_scores(nc)
    if kind == "onnx":
        build.standard(int(boxes), settings)
    else:
        build.plugin(settings)
        made.opset_import.append(helper.make_opsetid(PLUGIN_DOMAIN, 1))
    del made.graph.output[:]
    made.graph.output.extend(_outputs(batch, settings.max_detections))
    onnx.checker.check_model(made, full_check=True)
    return made


def _outputs(batch: str | int, most: int) -> Sequence[onnx.ValueInfoProto]:
    count, boxes, scores, classes = DETECTIONS
    return [
        helper.make_tensor_value_info(count, TensorProto.INT32, [batch, 1]),
        helper.make_tensor_value_info(boxes, TensorProto.FLOAT, [batch, most, 4]),
        helper.make_tensor_value_info(scores, TensorProto.FLOAT, [batch, most]),
        helper.make_tensor_value_info(classes, TensorProto.INT32, [batch, most]),
    ]


class _Nodes:
    """Nodes that are put at the end of a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph

    def boxes_and_scores(self, nc: int) -> None:
        """`OUTPUT` (B, N, 5 + nc) → `nms_boxes` (B, N, 4) corners, `nms_scores` (B, N, nc).

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

    def plugin(self, settings: NmsSettings) -> None:
        """TensorRT's plugin, version 1: it suppresses within each class unless told otherwise."""
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

    def standard(self, boxes: int, settings: NmsSettings) -> None:
        """NonMaxSuppression lists (image, class, box); the scores of those, put back in place, are sorted by image.

        Args:
            boxes: N.
            settings: see `add_nms`.
        """
        count, kept_boxes, kept_scores, kept_classes = DETECTIONS
        most = self._ints("most", [settings.max_detections])
        self._add("Transpose", ["nms_scores"], ["by_class"], perm=[0, 2, 1])
        thresholds = [
            self._constant(name, np.array([value], np.float32))
            for name, value in (("iou", settings.iou_threshold), ("score", settings.score_threshold))
        ]
        self._add("NonMaxSuppression", ["nms_boxes", "nms_by_class", most, *thresholds], ["selected"])
        self._add("GatherND", ["nms_by_class", "nms_selected"], ["selected_scores"])
        self._add("Shape", ["nms_by_class"], ["shape"])
        self._add("ConstantOfShape", ["nms_shape"], ["nothing"], value=numpy_helper.from_array(np.zeros(1, np.float32)))
        self._add("ScatterND", ["nms_nothing", "nms_selected", "nms_selected_scores"], ["survivors"])
        self._add("Reshape", ["nms_survivors", self._ints("flat", [0, -1])], ["flattened"])
        self._add("TopK", ["nms_flattened", most], ["best", "place"], axis=1)
        self._add("Identity", ["nms_best"], [kept_scores], prefix="")
        every = self._constant("boxes_of_a_class", np.int64(boxes))
        self._add("Div", ["nms_place", every], ["class"])
        self._add("Mul", ["nms_class", every], ["first"])
        self._add("Sub", ["nms_place", "nms_first"], ["box"])
        last = self._ints("last", [2])
        self._add("Greater", ["nms_best", self._constant("none", np.float32(0))], ["valid"])
        self._add("Cast", ["nms_valid"], ["valid_int"], to=TensorProto.INT32)
        self._add("ReduceSum", ["nms_valid_int", self._ints("row", [1])], [count], prefix="", keepdims=1)
        self._add("Cast", ["nms_class"], ["class_int"], to=TensorProto.INT32)
        self._add("Mul", ["nms_class_int", "nms_valid_int"], [kept_classes], prefix="")
        self._add("Unsqueeze", ["nms_box", last], ["box_index"])
        self._add("GatherND", ["nms_boxes", "nms_box_index"], ["best_boxes"], batch_dims=1)
        self._add("Cast", ["nms_valid"], ["valid_float"], to=TensorProto.FLOAT)
        self._add("Unsqueeze", ["nms_valid_float", last], ["valid_column"])
        self._add("Mul", ["nms_best_boxes", "nms_valid_column"], [kept_boxes], prefix="")

    def _add(
        self, operator: str, inputs: list[str], outputs: list[str], *, prefix: str = "nms_", **attributes: object
    ) -> None:
        names = [f"{prefix}{name}" for name in outputs]
        node: NodeProto = helper.make_node(operator, inputs, names, f"nms_make_{outputs[0]}", **attributes)
        self._graph.node.append(node)

    def _ints(self, name: str, values: list[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        full = f"nms_constant_{name}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), full))
        return full
