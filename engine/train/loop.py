"""The training loop."""

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
from engine.train.progress import Progress, snapshot, write


@dataclass
class Plan:
    """What the loop does around the epochs."""

    validate: Callable[[int], Validation]
    """Evaluates after the epoch of that number; prints its rows."""
    hyp: dict[str, Any]
    """Written into checkpoints, unscaled."""
    meta: dict[str, Any]
    """Written into checkpoints: stage, data, image size."""
    uninterrupted: AbstractContextManager[None]
    """Held while files are written, so that a stop never falls between them."""
    validate_always: bool = True
    """False: after the final epoch only."""
    save_always: bool = True
    save_period: int = -1
    before_epoch: Callable[[int], None] | None = None
    after_epoch: Callable[[int], None] | None = None
    """Called once an epoch is saved, if it is not the final one; may raise to end the training there."""
    snapshot: Callable[[Training, Progress, int, dict[str, Any], dict[str, Any]], Any] = snapshot


def train(training: Training, progress: Progress, plan: Plan) -> float:
    """Train from `progress.start_epoch` to the end, validating and saving after each epoch.

    Returns:
        Hours that it took.

    Raises:
        NotFinite: the loss is nan or inf.
    """
    began = time.monotonic()
    results_file = progress.folder.parent / "results.txt"
    progress.folder.mkdir(parents=True, exist_ok=True)
    say(f"Starting training for {training.epochs} epochs...")
    for epoch in range(progress.start_epoch, training.epochs):
        epoch_began = time.monotonic()
        is_final = epoch + 1 == training.epochs
        if plan.before_epoch is not None:
            plan.before_epoch(epoch)
        row = train_epoch(training, epoch)
        rates = training.schedule.learning_rates
        validation = plan.validate(epoch) if plan.validate_always or is_final else None
        is_best = progress.note(epoch, validation)
        with plan.uninterrupted:
            if validation is not None:
                progress.results.append(results_row(row, validation) + "\n")
                results_file.write_text("".join(progress.results), encoding="utf-8")
            if plan.save_always or is_final:
                due = plan.save_period > 0 and (epoch + 1) % plan.save_period == 0
                extra = progress.folder / f"epoch_{epoch:03d}.pt" if due else None
                write(plan.snapshot(training, progress, epoch, plan.hyp, plan.meta), progress, is_best, extra)
            emit(
                "epoch",
                epoch=epoch,
                epochs=training.epochs,
                lr=rates,
                metrics=validation.metrics() if validation is not None else {},
                val_loss=list(validation.losses) if validation is not None else [],
                is_best=is_best,
                seconds=round(time.monotonic() - epoch_began, 3),
            )
        if plan.after_epoch is not None and not is_final:
            plan.after_epoch(epoch)
    hours = (time.monotonic() - began) / 3600
    say(f"{training.epochs - progress.start_epoch} epochs completed in {hours:.3f} hours.\n")
    return hours
