"""The fields of a run by the names that a user types: in a filter, as a column, or to sort by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from app.formatting import ABSENT, age, aware, duration, metric, short_outcome
from db.views import RunView
from engine.contracts.errors import YoloqatError
from engine.contracts.states import RunState

OPTION = "cfg."
"""Before the name of an option: `cfg.lr0`."""
Value = str | float | None


class IndexedValues(Protocol):
    """Values that are not in the list of runs, read from the index when a field asks for them."""

    def option_values(self, option: str) -> Mapping[str, Value]:
        """Return the value of an option by run id, for the runs that have it."""

    def metric_values(self, key: str) -> Mapping[str, Value]:
        """Return a metric of the best epoch or evaluation by run id, for the runs that have it."""


@dataclass(frozen=True)
class Field:
    """A field of a run."""

    name: str
    value: Callable[[RunView], Value]
    about: str
    """What it is, in a few words."""
    is_number: bool = False
    is_duration: bool = False
    """In seconds."""
    is_metric: bool = False
    text: Callable[[RunView], str] | None = None
    """The cell of a column; None for the value itself."""

    def cell(self, run: RunView) -> str:
        """Return the text of a column's cell."""
        if self.text is not None:
            return self.text(run)
        value = self.value(run)
        if value is None or value == "":
            return ABSENT
        if self.is_duration and isinstance(value, float):
            return duration(value)
        if self.is_metric and isinstance(value, float):
            return f"{value:.4f}"
        return f"{value:g}" if isinstance(value, float) else str(value)


def _age_seconds(run: RunView) -> float:
    return max((datetime.now(UTC) - aware(run.started_at or run.created_at)).total_seconds(), 0.0)


def _map(run: RunView) -> float | None:
    return run.best_map.value if run.best_map is not None else None


_FIELDS = (
    Field("name", lambda run: run.name, "name of the run"),
    Field("id", lambda run: run.id, "id of the run"),
    Field("stage", lambda run: run.stage, "retrain, ptq, qat, export, command, …"),
    Field("state", lambda run: _state_words(run), "running, failed, stalled, …"),
    Field("reason", lambda run: run.reason, "why it is in this state"),
    Field("tag", lambda run: " ".join(run.tags), "one of its tags"),
    Field("note", lambda run: run.notes, "its note"),
    Field("group", lambda run: run.group, "the pipeline's launch it belongs to"),
    Field("pipeline", lambda run: run.pipeline, "name of the pipeline"),
    Field("step", lambda run: run.step, "step of the pipeline"),
    Field("source", lambda run: run.source, "launched, imported, watched"),
    Field(
        "map",
        _map,
        "best mAP@.5:.95",
        is_number=True,
        is_metric=True,
        text=lambda run: metric(run.best_map) if run.best_map is not None else ABSENT,
    ),
    Field("best", lambda run: _number(run.best_epoch), "epoch with the best mAP", is_number=True),
    Field("epochs", lambda run: _number(run.epochs_done), "finished epochs", is_number=True),
    Field("planned", lambda run: _number(run.epochs_total), "planned epochs", is_number=True),
    Field("attempt", lambda run: float(run.attempt), "number of the attempt", is_number=True),
    Field("duration", lambda run: run.seconds, "run time: `duration>2h`", is_number=True, is_duration=True),
    Field("eta", lambda run: run.eta_seconds, "time left", is_number=True, is_duration=True),
    Field(
        "age",
        _age_seconds,
        "time since the start: `age<3d`",
        is_number=True,
        is_duration=True,
        text=lambda run: age(run.started_at or run.created_at),
    ),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in _FIELDS}
METRICS: Mapping[str, str] = {"map50": "mAP@.5", "p": "P", "r": "R"}
"""Fields of the best epoch that the list does not hold → their names in the index."""


def field_names() -> tuple[str, ...]:
    """Return the names that can be typed; options follow `cfg.`."""
    return (*FIELDS, *METRICS, OPTION)


def find_field(name: str, indexed: IndexedValues) -> Field:
    """Return the field of a name.

    Raises:
        YoloqatError: there is no such field.
    """
    lowered = name.lower()
    if lowered in FIELDS:
        return FIELDS[lowered]
    if lowered in METRICS:
        by_id = indexed.metric_values(METRICS[lowered])
        return Field(lowered, lambda run: by_id.get(run.id), METRICS[lowered], is_number=True, is_metric=True)
    if lowered.startswith(OPTION) and len(name) > len(OPTION):
        option = name[len(OPTION) :]
        values = indexed.option_values(option)
        return Field(name, lambda run: values.get(run.id), f"option {option}", is_number=True)
    from difflib import get_close_matches

    close = get_close_matches(lowered, field_names(), n=1)
    hint = f"Do you mean {close[0]}?" if close else f"Fields: {', '.join(field_names())}NAME."
    raise YoloqatError(f"unknown field: {name}", hint=hint)


def _state_words(run: RunView) -> str:
    marks = {
        "stalled": run.stalled,
        "suspended": run.suspended,
        "stopping": bool(run.stopping),
        "live": run.state.is_live,
        "done": run.state is RunState.SUCCEEDED,  # as the screen calls them
        "oom": run.state is RunState.OUT_OF_MEMORY,
    }
    outcome = short_outcome(run.reason) if run.state is RunState.ENDED else ""
    marks["oom"] |= outcome == "out of memory"
    return " ".join((run.state.value, outcome, *(mark for mark, holds in marks.items() if holds)))


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)
