"""Bytes of a log → logical lines, numbers, progress bars and tokens."""
