"""Data sets in YOLO format: reading and checking them, augmentation, batches."""
