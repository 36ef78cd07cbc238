"""`yoloqat doctor`: check for what would kill runs, lose data or stop a stage."""
