"""The base exception of errors that are shown to the user."""


class YoloqatError(Exception):
    """Bad input or a bad environment: what is wrong, where, and what to do.

    Commands print it without a traceback and exit with code 2; screens show it in a dialog.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        """File (and line), option or run that the error concerns."""
        self.hint = hint
        """How to fix it, as a full sentence."""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.hint}" if self.hint else head
