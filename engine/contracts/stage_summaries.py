"""One-line summaries of our stages. Separate from `stages`, whose options are slow to import."""

from collections.abc import Mapping

STAGE_SUMMARIES: Mapping[str, str] = {
    "shapes": "Draw the synthetic demo data set",
    "retrain": "Train the float model, with the activation of your choice",
    "ptq": "Calibrate: post-training quantization",
    "qat": "Fine-tune quantization-aware, from a PTQ checkpoint",
    "export": "Write ONNX, with Q/DQ nodes where the model is quantized",
    "int8": "Rewrite ONNX Q/DQ so that ONNX Runtime runs it in int8",
    "sensitivity": "Rank layers by the cost of quantizing them; plan what stays float",
    "benchmark": "Time models side by side: .pt, .onnx and TensorRT",
    "evaluate": "Evaluate a .pt or .onnx: P, R, mAP and pycocotools",
}
