"""How a run's state looks: a sign, a word and a tone. Never colour alone."""

from dataclasses import dataclass

from app.formatting import short_outcome
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
STOPPING = StateLook("stopping", "stopping", "warn")
ENDINGS = {
    "complete": ("complete", ""),
    "stopped early": ("early", ""),
    "interrupted": ("stopped", "warn"),
    "cut off": ("cut off", "warn"),
    "crashed": ("crashed", "bad"),
    "out of memory": ("oom", "bad"),
    "losses nan": ("nan", "bad"),
}
"""Word and tone of the ways in which a log ends."""


def look(run: RunView) -> StateLook:
    """How a run looks now: the marks `stopping` and `stalled` cover `running`."""
    if run.state.is_live and run.stopping:
        return STOPPING
    if run.state is RunState.RUNNING and run.stalled:
        return STALLED
    return LOOKS[run.state]


def short_state(run: RunView) -> tuple[Span, ...]:
    """`● running`: sign and word; of a run that was not started here, how its log ended."""
    shown = look(run)
    word, tone = ENDINGS.get(short_outcome(run.reason) if run.state is RunState.ENDED else "", (shown.word, shown.tone))
    return ((f"{shown.sign} {word}", tone),)


def long_state(run: RunView) -> tuple[Span, ...]:
    """Sign, word and why: `✗ failed  exit code 3`, `◌ waits for relu-retrain`."""
    shown = look(run)
    why = run.stopping if run.stopping and run.state.is_live else run.reason
    if run.state is RunState.QUEUED and why:
        return ((f"{shown.sign} {why}", shown.tone),)
    word = (
        run.state.value if shown.word == LOOKS[run.state].word and run.state is not RunState.SUCCEEDED else shown.word
    )
    head: tuple[Span, ...] = ((f"{shown.sign} {word}", shown.tone),)
    return (*head, (f"  {why}", "muted")) if why and why != word else head
