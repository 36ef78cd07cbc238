"""All that is read: the dialects of logs, and the files that are known by their first bytes."""

from engine.logs.parser import DIALECTS
from engine.logs.results import nvidia_summary, tensorboard

_VERIFIED = {
    **{dialect.NAME: dialect.VERIFIED for dialect in DIALECTS},
    tensorboard.NAME: tensorboard.VERIFIED,
    nvidia_summary.NAME: nvidia_summary.VERIFIED,
}
NAMES = tuple(_VERIFIED)
UNVERIFIED = frozenset(name for name, is_verified in _VERIFIED.items() if not is_verified)
"""Those that no file of the program itself was held against."""


def describe(name: str) -> str:
    """A dialect in words, for reports: its name, and whether what was read of it may be relied upon."""
    return f"{name} (unverified)" if name in UNVERIFIED else name
