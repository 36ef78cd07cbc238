"""One file per log dialect, and what several dialects share."""
