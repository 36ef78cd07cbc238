"""The message shown on a terminal that is too small."""

from textual.app import ComposeResult
from textual.containers import Middle
from textual.widgets import Static

COLUMNS, ROWS = 60, 14


class TooSmall(Middle):
    """Covers the screen until it is at least 60 by 14."""

    DEFAULT_CSS = """
    TooSmall { display: none; width: 100%; height: 100%; }
    TooSmall Static { width: 100%; text-align: center; color: $foreground-muted; }
    """

    def compose(self) -> ComposeResult:
        yield Static(f"This terminal is too small.\nAt least {COLUMNS}×{ROWS}, please.\nRuns go on meanwhile.")
