"""YOLOv7 as plain modules: model files, building, fusing, checkpoints."""
