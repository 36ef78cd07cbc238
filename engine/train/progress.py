"""State of a training between epochs: the best so far, the printed results, and its checkpoints."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.evaluate.validation import Validation
from engine.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.train.epoch import Training


@dataclass
class Progress:
    """Where a training stands: next epoch, best epoch, printed results."""

    folder: Path
    """Folder of `last.pt` and `best.pt`."""
    start_epoch: int = 0
    best_fitness: float = -1.0
    best_epoch: int = -1
    results: list[str] = field(default_factory=list)
    """The lines of `results.txt`."""

    @property
    def last(self) -> Path:
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        return self.folder / "best.pt"

    def record(self, epoch: int, validation: Validation | None) -> bool:
        """Record an epoch's validation; return whether it is the best so far (True if nothing was validated)."""
        if validation is None:
            return True
        if validation.fitness > self.best_fitness:
            self.best_fitness, self.best_epoch = validation.fitness, epoch
            return True
        return False


def snapshot(
    training: Training, progress: Progress, epoch: int, hyp: dict[str, Any], meta: dict[str, Any]
) -> Checkpoint:
    """Build the checkpoint that a training resumes from after `epoch` (0-based)."""
    model = training.model
    assert isinstance(model, YoloModel)
    ema = training.ema
    return Checkpoint(
        model_state=_copy_to_cpu(model.state_dict()),
        ema_state=_copy_to_cpu(ema.model.state_dict()) if ema is not None else None,
        optimizer=training.optimizer.state_dict(),
        config=model.config.to_plain(),
        names=list(model.names),
        act=model.act,
        epoch=epoch,
        best_fitness=progress.best_fitness,
        updates=ema.updates if ema is not None else 0,
        training_results="".join(progress.results),
        hyp=hyp,
        meta={
            **meta,
            "best_epoch": progress.best_epoch,
            "scaler": training.scaler.state_dict(),
            "random": _random_states(),
        },
    )


def write_checkpoints(
    checkpoint: Checkpoint, progress: Progress, is_best: bool, extra_path: Path | None = None
) -> None:
    """Write `last.pt`, `best.pt` if this is the best epoch, and a copy at `extra_path` if given."""
    for path in (progress.last, *([progress.best] if is_best else []), *([extra_path] if extra_path else [])):
        save_checkpoint(path, checkpoint)
        emit("checkpoint", path=f"weights/{path.name}", epoch=checkpoint.epoch)


def load_unfinished(progress: Progress, epochs: int) -> Checkpoint:
    """Load `last.pt` of a training that has not reached `epochs`, to resume it.

    Raises:
        YoloqatError: there is no `last.pt`, or its training is finished.
    """
    if not progress.last.is_file():
        raise YoloqatError(
            "there is nothing to resume: no last.pt", where=str(progress.folder), hint="Start the run without --resume."
        )
    checkpoint = load_checkpoint(progress.last)
    if checkpoint.epoch < 0 or checkpoint.epoch + 1 >= epochs:
        raise YoloqatError(
            f"the training to {epochs} epochs is finished, there is nothing to resume", where=str(progress.last)
        )
    return checkpoint


def restore(checkpoint: Checkpoint, training: Training, progress: Progress) -> None:
    """Set a training to the state of a snapshot, so that it continues with the next epoch."""
    training.model.load_state_dict(checkpoint.model_state)
    if training.ema is not None and checkpoint.ema_state is not None:
        training.ema.model.load_state_dict(checkpoint.ema_state)
        training.ema.updates = checkpoint.updates
    if checkpoint.optimizer is not None:
        training.optimizer.load_state_dict(checkpoint.optimizer)
    if checkpoint.meta.get("scaler"):
        training.scaler.load_state_dict(checkpoint.meta["scaler"])
    _set_random_states(checkpoint.meta.get("random"))
    progress.start_epoch = checkpoint.epoch + 1
    progress.best_fitness = checkpoint.best_fitness
    progress.best_epoch = int(checkpoint.meta.get("best_epoch", -1))
    progress.results = checkpoint.training_results.splitlines(keepends=True)


def _copy_to_cpu(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


def _random_states() -> dict[str, Any]:
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, state, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype("int64")),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": [version, list(state), next_gauss],
    }


def _set_random_states(states: Any) -> None:
    if not states:
        return
    torch.set_rng_state(states["torch"])
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.numpy().astype("uint32"), position, has_gauss, gauss))
    version, state, next_gauss = states["python"]
    random.setstate((version, tuple(state), next_gauss))
