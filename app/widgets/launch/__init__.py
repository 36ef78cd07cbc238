"""Widgets of the launch form."""
