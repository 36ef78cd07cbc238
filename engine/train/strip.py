"""Removing from checkpoints what only a resumed training needs."""

from pathlib import Path

from engine.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


def strip(path: Path) -> None:
    """Rewrite a checkpoint with its EMA weights and metadata only, without optimizer and random states."""
    checkpoint = load_checkpoint(path)
    meta = {key: value for key, value in checkpoint.meta.items() if key not in ("scaler", "random")}
    save_checkpoint(
        path,
        Checkpoint(
            model_state=checkpoint.state,
            config=checkpoint.config,
            names=checkpoint.names,
            act=checkpoint.act,
            best_fitness=checkpoint.best_fitness,
            hyp=checkpoint.hyp,
            quant=checkpoint.quant,
            meta={**meta, "trained_epoch": checkpoint.epoch},
        ),
    )
    print(f"Optimizer stripped from {path}, {path.stat().st_size / 1e6:.1f}MB", flush=True)
