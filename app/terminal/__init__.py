"""The terminal itself: only text and changed cells are written while the screen is shown, and its settings restored."""
