"""Locate the workspace, look up run names in it, read the user's settings."""
