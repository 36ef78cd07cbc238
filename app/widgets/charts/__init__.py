"""Curves, sparklines and progress bars."""
