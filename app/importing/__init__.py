"""Importing logs and trees of other programs, and watching logs that still grow."""
