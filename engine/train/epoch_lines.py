"""The lines that YOLOv7 prints while it trains. Titles and bars go to stderr, results to stdout."""

from collections.abc import Sequence

import torch

from engine.evaluate.validation import Validation

TITLES = ("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")


def epoch_row(epoch: int, epochs: int, device: torch.device, items: Sequence[float], labels: int, img_size: int) -> str:
    """Format the row of the bar: running means of box, obj, cls and total; labels and image size of the last batch."""
    reserved = torch.cuda.memory_reserved(device) / 1e9 if device.type == "cuda" else 0
    return ("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/{epochs - 1}", f"{reserved:.3g}G", *items, labels, img_size)


def results_row(row: str, validation: Validation) -> str:
    """Format one line of `results.txt`: the epoch's row, then P, R, mAP@.5, mAP@.5:.95 and the validation losses."""
    v = validation
    return row + "%10.4g" * 7 % (v.precision, v.recall, v.map50, v.map, *v.losses)
