"""The GPUs of this machine: inventory, users, and how hard they work."""
