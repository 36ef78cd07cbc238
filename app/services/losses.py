"""Which values of an epoch are training losses, whoever trained."""

from collections.abc import Iterable

_KNOWN = ("box", "obj", "cls", "total", "GIoU")
"""YOLOv7's in the order of its log, and the one whose name does not end as later ones do."""


def loss_names(names: Iterable[str]) -> list[str]:
    """Those of the names that are losses, YOLOv7's first."""
    found = set(names)
    others = sorted(name for name in found if name.endswith("_loss") and not name.startswith("val/"))
    return [*(name for name in _KNOWN if name in found), *others]
