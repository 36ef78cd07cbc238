"""`yoloqat`: everything that the screen does, for shells and scripts."""
