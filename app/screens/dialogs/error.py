"""The dialog that shows an error, its location and its hint."""

from app.screens.dialogs.dialog import Dialog
from app.widgets.base.styled_text import Cell, clean
from engine.contracts.errors import YoloqatError


class ErrorDialog(Dialog[bool]):
    """Shows one error until it is closed."""

    def __init__(self, error: YoloqatError) -> None:
        lines: list[Cell] = [((clean(line), "bad"),) for line in error.what.splitlines() or [""]]
        if error.where:
            lines += ["", (("in ", "muted"), (clean(error.where), ""))]
        if error.hint:
            lines += ["", *((clean(line)) for line in error.hint.splitlines())]
        super().__init__("Error", lines, [("Close", True, "primary")])
