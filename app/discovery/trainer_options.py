"""Read the options of a trainer from its run folder or its log."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.discovery.discover import RunDir
from app.discovery.group_files import DiscoveredRun, bases_of
from engine.contracts.errors import YoloqatError
from engine.logs.results.option_files import NAMES, read_hyperparameters


def apply_option_files(run: DiscoveredRun, folder: RunDir) -> Iterator[tuple[Path, str]]:
    """Read the option files of a run folder; values of an earlier file override those of a later one.

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
    if run.option_files:
        run.weights += _first_weights(run.options, folder.path, run.option_files[0])


def apply_printed_options(run: DiscoveredRun) -> None:
    """Use the options that the newest log of the run has printed, if no file has any."""
    if not run.options:
        run.options = next((piece.part.options for piece in reversed(run.consoles) if piece.part.options), {})


def _first_weights(options: Mapping[str, Any], folder: Path, options_source: Path) -> list[tuple[str, Path]]:
    """Return the initial weights, which link the training to the run that wrote them; nothing if they are newer."""
    printed_weights = next((options[key] for key in ("weights", "model") if options.get(key)), None)
    printed_weights = (
        printed_weights[0] if isinstance(printed_weights, list) and len(printed_weights) == 1 else printed_weights
    )
    if not isinstance(printed_weights, str) or not printed_weights.endswith(".pt"):
        return []
    try:
        started_at = options_source.stat().st_mtime
        candidates = (base / printed_weights for base in bases_of(folder))
        return [("weights", path) for path in candidates if path.is_file() and path.stat().st_mtime <= started_at][:1]
    except (OSError, ValueError):
        return []
