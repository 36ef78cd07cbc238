"""The options that a trainer has left in the folder of its run."""

from collections.abc import Iterator
from pathlib import Path

from app.services.finding import RunDir
from app.services.joining import FoundRun
from engine.contracts.errors import YoloqatError
from engine.logs.hyperparameters import NAMES, read_hyperparameters


def take_options(run: FoundRun, folder: RunDir) -> Iterator[tuple[Path, str]]:
    """Read the options in a run's folder: what an earlier one of the files says, a later one only adds to.

    Yields:
        Files that could not be read, and why.
    """
    for path in sorted(folder.options, key=lambda path: NAMES.index(path.name)):
        try:
            values = read_hyperparameters(path).values
        except YoloqatError as error:
            yield path, error.what
            continue
        run.option_files.append(path)
        run.options = {**values, **run.options}
