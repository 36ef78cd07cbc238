"""What a training knows besides its weights: the best so far, the results of each epoch, and how to write them down."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.contracts.events import emit
from engine.evaluate.validation import Validation
from engine.models.checkpoint import Checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.train.epoch import Training


@dataclass
class Progress:
    """The state of a training between epochs."""

    folder: Path
    """Where `last.pt` and `best.pt` go."""
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

    def note(self, epoch: int, validation: Validation | None) -> bool:
        """Take in an epoch's validation; whether it is the best so far (always, where nothing is validated)."""
        if validation is None:
            return True
        if validation.fitness > self.best_fitness:
            self.best_fitness, self.best_epoch = validation.fitness, epoch
            return True
        return False


def snapshot(
    training: Training, progress: Progress, epoch: int, hyp: dict[str, Any], meta: dict[str, Any]
) -> Checkpoint:
    """Everything that a resumed training needs, after `epoch` (0-based) is finished."""
    model = training.model
    assert isinstance(model, YoloModel)
    ema = training.ema
    return Checkpoint(
        model_state=_cpu(model.state_dict()),
        ema_state=_cpu(ema.model.state_dict()) if ema is not None else None,
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


def write(checkpoint: Checkpoint, progress: Progress, is_best: bool, extra: Path | None = None) -> None:
    """Write `last.pt`, `best.pt` if this is the best epoch, and an extra copy if asked for."""
    for path in (progress.last, *([progress.best] if is_best else []), *([extra] if extra else [])):
        save_checkpoint(path, checkpoint)
        emit("checkpoint", path=f"weights/{path.name}", epoch=checkpoint.epoch)


def restore(checkpoint: Checkpoint, training: Training, progress: Progress) -> None:
    """Go on where a snapshot was taken."""
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


def _cpu(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


def _random_states() -> dict[str, Any]:
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, cached = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype("int64")),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": [version, list(words), cached],
    }


def _set_random_states(states: Any) -> None:
    if not states:
        return
    torch.set_rng_state(states["torch"])
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.numpy().astype("uint32"), position, has_gauss, gauss))
    version, words, cached = states["python"]
    random.setstate((version, tuple(words), cached))
