"""`yoloqat doctor`: what on this machine would kill runs, lose data or stop a stage, and what to do about it."""
