"""Run ids: they sort by time, are easy to type in part, and never change."""

import secrets
from datetime import UTC, datetime

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without characters that are taken for one another."""


def new_run_id() -> str:
    """A new id, such as `20261123-142501-k3f9`. The time is UTC, so that ids sort across a change of summer time."""
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{suffix}"
