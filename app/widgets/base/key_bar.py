"""The last line of every screen: its keys, which can be clicked."""

from collections.abc import Sequence

from textual import events

from app.keymap import KEYMAP, Key, sign
from app.widgets.base.line_widget import LineWidget
from app.widgets.base.styled_text import Cell, Span

_PALETTE = Key("", "ctrl+p", "", "Palette", "")
GAP = 2
_OPEN = Key("", "enter", "", "Open", "")


def shown_keys(scope: str) -> list[tuple[str, str]]:
    """Return key and label of each entry; for the launch form, whose fields take letters, only other keys."""
    opening = [_OPEN] if scope == "runs" else []
    shown = [*opening, *(key for name in (scope, "app") for key in KEYMAP[name].keys if key.show)]
    pairs = []
    for key in shown:
        usable = [
            k for k in key.keys.split(",") if scope != "launch" or k[0:5] == "ctrl+" or k[0] == "f" or k == "escape"
        ]
        if usable and (scope != "launch" or len(usable[0]) > 1):
            pairs.append((usable[0], key.label))
    return pairs


def _size(pair: tuple[str, str]) -> int:
    return len(sign(pair[0])) + 1 + len(pair[1]) + GAP


class KeyBar(LineWidget):
    """The most useful keys of a screen. Keys that do not fit are left out, except those of the help and the palette."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; padding: 0 1; background: $surface; }
    """

    def __init__(self, scope: str) -> None:
        super().__init__()
        self._keys = shown_keys(scope)
        self._places: list[tuple[int, int, str]] = []

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        always = [pair for pair in self._keys if pair[1] == "Help"] + [(_PALETTE.keys, _PALETTE.label)]
        reserved = sum(_size(pair) for pair in always) - GAP
        line: list[Span] = []
        self._places, used = [], 0
        for pair in self._keys:
            if pair in always or used + _size(pair) + reserved > columns:
                continue
            used = self._add(line, pair, used)
        line.append((" " * (columns - used - reserved), ""))
        used = columns - reserved
        for pair in always:
            used = self._add(line, pair, used)
        return [(*line[:-1], (line[-1][0].rstrip(), line[-1][1]))]

    def _add(self, line: list[Span], pair: tuple[str, str], x: int) -> int:
        key, label = pair
        self._places.append((x, x + _size(pair) - GAP, key))
        line += [(sign(key), "title"), (f" {label}{' ' * GAP}", "muted")]
        return x + _size(pair)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        x = event.get_content_offset_capture(self).x
        for start, end, key in self._places:
            if start <= x < end:
                self.app.simulate_key(key)
