"""Presentation of a run's state: a sign, a word and a tone, never a colour alone."""

from dataclasses import dataclass, replace

from app.formatting import outside_lease, short_outcome
from app.widgets.base.glyphs import glyphs
from app.widgets.base.styled_text import Span
from db.views import RunView
from engine.contracts.states import RunState


@dataclass(frozen=True)
class StateLook:
    """The look of one state."""

    mark: str
    """Key into `Glyphs.states`."""
    word: str
    """At most nine characters, for narrow columns."""
    tone: str

    @property
    def sign(self) -> str:
        return glyphs().states[self.mark]


LOOKS: dict[RunState, StateLook] = {
    RunState.QUEUED: StateLook("waits", "queued", "muted"),
    RunState.STARTING: StateLook("starts", "starting", "accent"),
    RunState.RUNNING: StateLook("running", "running", "accent"),
    RunState.SUCCEEDED: StateLook("done", "done", "good"),
    RunState.FAILED: StateLook("failed", "failed", "bad"),
    RunState.KILLED: StateLook("failed", "killed", "bad"),
    RunState.OUT_OF_MEMORY: StateLook("failed", "oom", "bad"),
    RunState.STOPPED: StateLook("stopped", "stopped", "warn"),
    RunState.ENDED: StateLook("ended", "ended", ""),
    RunState.LOST: StateLook("lost", "lost", "bad"),
    RunState.COULD_NOT_START: StateLook("failed", "no start", "bad"),
    RunState.DEPENDENCY_FAILED: StateLook("blocked", "blocked", "warn"),
}
STALLED = StateLook("stalled", "stalled", "warn")
SUSPENDED = StateLook("suspended", "suspended", "warn")
STOPPING = StateLook("stopping", "stopping", "warn")
HANDED = "handed"
"""Replaces the word of a run whose command has handed its work to a server."""
ENDINGS = {
    "complete": ("complete", ""),
    "stopped early": ("early", ""),
    "interrupted": ("stopped", "warn"),
    "cut off": ("cut off", "warn"),
    "crashed": ("crashed", "bad"),
    "out of memory": ("oom", "bad"),
    "losses nan": ("nan", "bad"),
    "killed": ("killed", "bad"),
    "terminated": ("killed", "bad"),
    "segmentation fault": ("segfault", "bad"),
    "out of shared memory": ("shm full", "bad"),
    "cancelled": ("stopped", "warn"),
    "time limit": ("time up", "warn"),
    "preempted": ("preempt", "warn"),
    "node failed": ("node", "bad"),
}
"""Word and tone by the outcome of a log."""


def look(run: RunView) -> StateLook:
    """Return the look of a run's state; a mark such as `stopping` replaces `running`, `handed` a good end."""
    if run.state.is_live and run.stopping:
        return STOPPING
    if run.state.is_live and run.suspended:
        return SUSPENDED
    if run.state is RunState.RUNNING and run.stalled:
        return STALLED
    if run.handed_to and run.state in (RunState.SUCCEEDED, RunState.ENDED):
        return replace(LOOKS[run.state], word=HANDED, tone="warn")
    return LOOKS[run.state]


def short_state(run: RunView) -> tuple[Span, ...]:
    """Return sign and word, such as `● running`; for an ended run of another program, the outcome of its log.

    `● running!` in red: it was seen on a GPU outside of its lease.
    """
    style = look(run)
    word, tone = ENDINGS.get(short_outcome(run.reason) if run.state is RunState.ENDED else "", (style.word, style.tone))
    if run.gpus_outside_lease:
        return ((f"{style.sign} {word}!", "bad"),)
    return ((f"{style.sign} {word}", tone),)


def long_state(run: RunView) -> tuple[Span, ...]:
    """Return sign, word and reason: `✗ failed  exit code 3`, `◌ waits for relu-retrain`."""
    style = look(run)
    why = run.stopping if run.stopping and run.state.is_live else run.reason
    if run.state is RunState.QUEUED and why:
        return ((f"{style.sign} {why}", style.tone),)
    plain = LOOKS[run.state].word
    word = style.word
    if word in (plain, HANDED):
        word = plain if run.state is RunState.SUCCEEDED else run.state.value
    head: tuple[Span, ...] = ((f"{style.sign} {word}", style.tone),)
    if run.gpus_outside_lease:
        head += ((f"  {outside_lease(run.gpus_outside_lease)}", "bad"),)
    return (*head, (f"  {why}", "muted")) if why and why != word else head
