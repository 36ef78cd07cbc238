"""Conversion of unexpected exceptions into errors that can be shown."""

from engine.contracts.errors import YoloqatError


def unexpected(error: Exception) -> YoloqatError:
    """Wrap an unexpected exception, with the request to report it."""
    return YoloqatError(
        f"{type(error).__name__}: {error}",
        hint="This is a bug in yoloqat. Runs continue; please report this message.",
    )
