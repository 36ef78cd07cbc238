"""How long a live run has still to go."""

from collections.abc import Mapping
from typing import Any


def eta_seconds(summary: Mapping[str, Any], progress: Mapping[str, Any] | None) -> float | None:
    """Estimate the time to the end: of the remaining epochs, or of the bar if there are no epochs.

    Args:
        summary: epochs_done, epochs_total, epoch_seconds.
        progress: fields of the newest bar.
    """
    done, total, per_epoch = summary["epochs_done"], summary["epochs_total"], summary["epoch_seconds"]
    training = progress is not None and progress["phase"] == "train"
    if not total:
        remaining: float | None = progress["remaining_seconds"] if progress else None
        return remaining
    elapsed = (progress["elapsed_seconds"] or 0.0) if progress is not None and training else 0.0
    if per_epoch is None and progress is not None and training and progress["remaining_seconds"] is not None:
        per_epoch = elapsed + progress["remaining_seconds"]
    if per_epoch is None:
        return None
    first = (progress["last_epoch"] or 0) + 1 - total if progress is not None else 0  # 1 where epochs count from 1
    running = training and progress is not None and progress["epoch"] == done + max(0, min(1, first))
    left: float = per_epoch * (total - (done or 0)) - (elapsed if running else 0.0)
    return max(left, 0.0)
