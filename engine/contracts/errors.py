"""The one exception that is meant for a person's eyes."""


class YoloqatError(Exception):
    """Bad input or a bad environment, told in full: what is wrong, where, and what to do.

    Commands print it without a traceback and exit with code 2; screens show it in a dialog.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        """File (and line), option or run that the message is about."""
        self.hint = hint
        """What the user can do about it, as a full sentence."""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.hint}" if self.hint else head
