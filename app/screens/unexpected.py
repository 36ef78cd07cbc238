"""Errors that nobody foresaw, put into words."""

from engine.contracts.errors import YoloqatError


def unexpected(error: Exception) -> YoloqatError:
    """An error that nobody foresaw, so that it can be shown and reported."""
    return YoloqatError(
        f"{type(error).__name__}: {error}",
        hint="This is a bug in yoloqat. Runs continue; please report this message.",
    )
