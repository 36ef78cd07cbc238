"""Widgets that all screens use: styled text, tables, bars, state badges."""
