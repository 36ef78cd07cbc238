"""The help screen, generated from the key table in `app.keymap`."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from app.keymap import KEYMAP, sign
from app.widgets.base.state import LOOKS, STALLED, STOPPING, SUSPENDED
from app.widgets.base.styled_text import Cell, content

ALSO: dict[str, tuple[str, ...]] = {
    "runs": ("grid",),
    "run": ("grid", "log"),
    "compare": ("grid",),
    "launch": (),
}
"""Key scopes of the widgets inside each screen."""

MEANINGS: dict[str, str] = {
    "waits": "queued; the reason stands beside it",
    "starts": "starting",
    "running": "running",
    "stalled": "running, but silent for longer than usual",
    "suspended": "running, but stopped by SIGSTOP or held by a debugger",
    "stopping": "being stopped; the next signal stands beside it",
    "done": "done: exit code 0, and everything promised is there",
    "failed": "failed, killed, out of memory, or could not start",
    "stopped": "stopped on request",
    "ended": "ended: its exit code cannot be known (an imported log, an adopted run)",
    "lost": "lost: no outcome, and the machine rebooted or the log breaks off",
    "blocked": "blocked: a run that it needs did not succeed",
}


def help_lines(scope: str) -> list[Cell]:
    """Return the keys of a screen, its widgets and the app, and the meanings of the state signs."""
    lines: list[Cell] = []
    for name in dict.fromkeys((scope, *ALSO.get(scope, ()), "app")):
        lines += [((KEYMAP[name].title, "title"),), *_keys(name), ""]
    lines += [
        (("^p".ljust(12), "strong"), ("Command palette: open any run, launch, change the theme.", "")),
        (("^q".ljust(12), "strong"), ("Quit at once.", "")),
        "",
        (("States", "title"),),
    ]
    looks = {look.mark: look for look in (*LOOKS.values(), STALLED, SUSPENDED, STOPPING)}
    lines += [((f"{looks[m].sign:<12}", looks[m].tone), (meaning, "")) for m, meaning in MEANINGS.items()]
    lines.append((("!".ljust(12), "bad"), ("seen on a GPU outside of its lease", "")))
    return lines


def _keys(scope: str) -> Sequence[Cell]:
    lines: list[Cell] = []
    for key in KEYMAP[scope].keys:
        signs = " ".join(sign(part) for part in key.keys.split(","))
        lines.append(((f"{signs:<12} ", "strong"), (key.help, "")))
    return lines


class HelpScreen(ModalScreen[None]):
    """The keys of the screen from which it was opened."""

    BINDINGS = [("escape,question_mark,f1,q", "close", "Close")]

    def __init__(self, scope: str) -> None:
        super().__init__()
        self._scope = scope

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "esc closes"
            yield Static(Content("\n").join([content(line) for line in help_lines(self._scope)]))

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss(None)
