"""The detection losses of YOLOv7: plain assignment and OTA."""
