"""The training loop: epochs, validation, checkpoints and the log lines around them."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from engine.console.say import say
from engine.contracts.events import emit
from engine.evaluate.validation import Validation
from engine.train.epoch import Training, train_epoch
from engine.train.epoch_lines import results_row
from engine.train.progress import Progress, snapshot, write_checkpoints


@dataclass
class Plan:
    """What the training loop does before and after each epoch."""

    validate: Callable[[int], Validation]
    """Evaluates after the given epoch, and prints the rows."""
    hyp: dict[str, Any]
    """Written into checkpoints, unscaled."""
    meta: dict[str, Any]
    """Written into checkpoints: stage, data, image size."""
    uninterrupted: AbstractContextManager[None]
    """Entered while files are written, so that a stop does not separate them."""
    validate_always: bool = True
    """False validates after the final epoch only."""
    save_always: bool = True
    """False saves after the final epoch only."""
    save_period: int = -1
    """Keep an extra checkpoint every so many epochs; -1 for none."""
    before_epoch: Callable[[int], None] | None = None
    after_epoch: Callable[[int], None] | None = None
    """Called after an epoch is saved, except the final one; may raise to end the training."""
    snapshot: Callable[[Training, Progress, int, dict[str, Any], dict[str, Any]], Any] = snapshot


def train(training: Training, progress: Progress, plan: Plan) -> float:
    """Train from `progress.start_epoch` to the end, validating and saving after each epoch.

    Returns:
        The duration in hours.

    Raises:
        NotFinite: the loss is nan or inf.
    """
    start = time.monotonic()
    results_file = progress.folder.parent / "results.txt"
    progress.folder.mkdir(parents=True, exist_ok=True)
    say(f"Starting training for {training.epochs} epochs...")
    for epoch in range(progress.start_epoch, training.epochs):
        epoch_start = time.monotonic()
        is_final = epoch + 1 == training.epochs
        if plan.before_epoch is not None:
            plan.before_epoch(epoch)
        row = train_epoch(training, epoch)
        rates = training.schedule.learning_rates
        validation = plan.validate(epoch) if plan.validate_always or is_final else None
        is_best = progress.record(epoch, validation)
        with plan.uninterrupted:
            if validation is not None:
                progress.results.append(results_row(row, validation) + "\n")
                results_file.write_text("".join(progress.results), encoding="utf-8")
            if plan.save_always or is_final:
                is_due = plan.save_period > 0 and (epoch + 1) % plan.save_period == 0
                extra_path = progress.folder / f"epoch_{epoch:03d}.pt" if is_due else None
                write_checkpoints(
                    plan.snapshot(training, progress, epoch, plan.hyp, plan.meta), progress, is_best, extra_path
                )
            emit(
                "epoch",
                epoch=epoch,
                epochs=training.epochs,
                lr=rates,
                metrics=validation.metrics() if validation is not None else {},
                val_loss=list(validation.losses) if validation is not None else [],
                is_best=is_best,
                seconds=round(time.monotonic() - epoch_start, 3),
            )
        if plan.after_epoch is not None and not is_final:
            plan.after_epoch(epoch)
    hours = (time.monotonic() - start) / 3600
    say(f"{training.epochs - progress.start_epoch} epochs completed in {hours:.3f} hours.\n")
    return hours
