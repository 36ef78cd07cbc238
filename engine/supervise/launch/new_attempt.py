"""Making an attempt folder that other processes see whole or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator

from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, RunFolder


@contextlib.contextmanager
def new_attempt(folder: RunFolder, number: int) -> Iterator[AttemptFolder]:
    """Yield a hidden folder to write the attempt into; rename it to `attempts/<number>` at the end of the block.

    A run that waits for this one, or an indexer, looks at any moment, and takes an attempt without records for one
    whose maker has died. No name of a hidden folder is a number, so nobody takes it for an attempt.

    Raises:
        YoloqatError: the attempt exists already.
        OSError: it cannot be written.
    """
    target = folder.attempt(number)
    hidden = target.path.with_name(f".{number}.{secrets.token_hex(4)}")
    _require_absent(folder, target)
    try:
        hidden.mkdir(parents=True)
        yield AttemptFolder(hidden)
        _require_absent(folder, target)
        try:
            os.rename(hidden, target.path)
        except OSError as error:
            _require_absent(folder, target)  # another program was faster
            raise error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _require_absent(folder: RunFolder, attempt: AttemptFolder) -> None:
    if attempt.path.exists():
        raise YoloqatError(
            f"attempt {attempt.number} of run {folder.id} exists already",
            where=str(attempt.path),
            hint="Launch it under a new id, or as the next attempt.",
        )
