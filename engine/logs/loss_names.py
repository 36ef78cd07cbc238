"""Which values of an epoch are training losses, whoever trained."""

from collections.abc import Iterable

_KNOWN = ("box", "obj", "cls", "total", "GIoU")
"""YOLOv7's in the order of its log, and the one whose name does not end as later ones do."""


def loss_names(names: Iterable[str]) -> list[str]:
    """Those of the names that are losses, YOLOv7's first."""
    found = set(names)
    return [*(name for name in _KNOWN if name in found), *sorted(filter(is_loss, found.difference(_KNOWN)))]


def is_loss(name: str) -> bool:
    """Whether a value is a loss of the training."""
    return name in _KNOWN or (name.endswith("_loss") and not name.startswith("val/"))
