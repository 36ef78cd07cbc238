"""Data sets in YOLO format: reading, checking, augmentation, batches."""
