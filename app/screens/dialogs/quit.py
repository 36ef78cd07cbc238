"""The question before quitting while runs are live."""

from collections.abc import Sequence

from app.screens.dialogs.dialog import Dialog
from app.widgets.base.state import short_state
from app.widgets.base.styled_text import Cell, clean
from db.views import RunView

SHOWN = 8
"""Number of live runs listed by name."""


class QuitDialog(Dialog[bool]):
    """States that live runs continue; `q` again quits."""

    BINDINGS = [("q", "leave", "Quit")]

    def __init__(self, live: Sequence[RunView]) -> None:
        lines: list[Cell] = [going_on(len(live)), ""]
        lines += [(*short_state(run), (f"  {clean(run.name)}", "")) for run in live[:SHOWN]]
        if len(live) > SHOWN:
            lines.append(((f"and {len(live) - SHOWN} more", "muted"),))
        lines += ["", (("yoloqat-tui shows them again, with the same progress.", "muted"),)]
        super().__init__("Quit", lines, [("Quit", True, "primary"), ("Stay", False, "default")])

    def action_leave(self) -> None:
        """Quit on the second `q`."""
        self.dismiss(True)


def going_on(count: int) -> str:
    """Return `2 runs go on without this screen.`"""
    return "1 run goes on without this screen." if count == 1 else f"{count} runs go on without this screen."
