"""Atomic writes, safe opening and file systems. Standard library alone: the runner uses it."""
