"""When a run starts, how long it may run, and how often it is retried."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.contracts.errors import YoloqatError
from engine.contracts.slurm import SlurmOptions
from engine.pipelines.pipeline import Pipeline

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Schedule:
    """What a launch says of time; the runner keeps to it."""

    retry: int = 0
    """How many attempts may follow one that did not come to its end."""
    time_limit: float = 0.0
    """Seconds after which the run is stopped; 0 for no limit."""
    start_at: datetime | None = None
    """It waits in the queue until then; None to start as soon as it can."""

    @property
    def not_before(self) -> float:
        """The start in seconds since 1970; 0 for any time."""
        return self.start_at.timestamp() if self.start_at is not None else 0.0

    def require_local(self, slurm: SlurmOptions | None) -> None:
        """Refuse a schedule for a job of Slurm, which has its own.

        Raises:
            YoloqatError: the run is a job of Slurm and something of the schedule is set.
        """
        if slurm is not None and self != Schedule():
            raise YoloqatError(
                "--retry, --time-limit and --start-at apply to this machine only",
                where="--executor slurm",
                hint="Ask Slurm: --slurm time=12:00:00, --slurm extra=--begin=22:00.",
            )


AT_ONCE = Schedule()


def with_limits(pipeline: Pipeline, schedule: Schedule) -> Pipeline:
    """Return a pipeline whose steps have the limits of a schedule, where they do not set their own."""
    limits = {"retry": schedule.retry, "time_limit": schedule.time_limit}
    stages = {
        name: step.model_copy(update={key: limits[key] for key in limits.keys() - step.model_fields_set})
        for name, step in pipeline.stages.items()
    }
    return pipeline.model_copy(update={"stages": stages})


def parse_start(text: str, now: datetime) -> datetime:
    """Return the moment of `22:00` (the next one), `2026-12-24 22:00` or an ISO time, in local time.

    Raises:
        ValueError: the text is not a time, or the moment has passed; the message says which.
    """
    clock = _CLOCK.fullmatch(text.strip())
    if clock:
        moment = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return moment if moment > now else moment + timedelta(days=1)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write it like 22:00 or '2026-12-24 22:00'") from None
    moment = moment if moment.tzinfo is not None else moment.astimezone(now.tzinfo)
    if moment <= now:
        raise ValueError(f"{text} has passed")
    return moment
