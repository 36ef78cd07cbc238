"""INT8 quantization of YOLOv7: quantizer placement, calibration, checkpoints, sensitivity and fine-tuning."""
