"""Time and host name as shown on screens, in one place so that snapshot tests can replace them."""

import socket
from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def host() -> str:
    """Return the host name without its domain."""
    return socket.gethostname().split(".")[0]
