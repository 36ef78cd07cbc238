"""What a screen shows of the moment and the machine: asked for here alone, so that a picture can do without both."""

import socket
from datetime import UTC, datetime


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


def host() -> str:
    """The machine's name, without its domain."""
    return socket.gethostname().split(".")[0]
