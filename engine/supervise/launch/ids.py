"""Run ids: they sort by time, are easy to type in part, and never change."""

import secrets
from datetime import UTC, datetime

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without characters that are taken for one another."""


_CHARACTERS = 4
_LARGEST_STEP = 1000
_last = ("", 0)
"""Second and number of this process's newest id."""


def new_run_id() -> str:
    """Return a new id, such as `20261123-142501-k3f9`. The time is UTC, so that ids sort across a change of summer
    time.

    Ids that one process makes sort in their order, those of one second included: a pipeline's runs are listed in it.
    """
    global _last
    second, number = f"{datetime.now(UTC):%Y%m%d-%H%M%S}", 0
    most = len(_ALPHABET) ** _CHARACTERS
    if second <= _last[0]:
        second, number = _last[0], _last[1] + 1 + secrets.randbelow(_LARGEST_STEP)
    if number == 0 or number >= most:
        # The upper half is for those that follow within the second.
        number = secrets.randbelow(most // 2)
    _last = (second, number)
    return f"{second}-{_suffix(number)}"


def _suffix(number: int) -> str:
    digits = []
    for _ in range(_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
