"""An alert: an event of a run that goes on."""

from typing import NamedTuple


class Alert(NamedTuple):
    """One thing to report."""

    event: str
    """One of `engine.runner.alerts.ALERT_EVENTS`."""
    reason: str
