"""INT8 quantization of YOLOv7: placement, calibration, state and fine-tuning, on a library of quantizers."""
