"""Whose log a run's is, in words."""

from db.views import RunDetail
from engine.logs.dialects import describe


def log_dialect(detail: RunDetail) -> str:
    """By what the log was told to be last; empty where nothing tells, as for runs of ours."""
    told = [event.payload.get("dialect") for event in detail.events if event.kind == "log format"]
    if told and isinstance(told[-1], str):
        return describe(told[-1])
    foreign = [event.payload.get("text") for event in detail.events if event.kind == "foreign"]
    if foreign and not detail.epochs:
        return f"{foreign[-1]}, which is not read"
    return "yolov7" if detail.imported_from and detail.epochs else ""
