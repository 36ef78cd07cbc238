"""Widgets of the log pane."""
