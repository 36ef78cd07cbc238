"""The question before stopping a run, and the actions of its answers."""

from app.screens import actions
from app.screens.app_interface import AppInterface
from app.screens.dialogs.dialog import Dialog
from app.widgets.base.glyphs import glyphs
from app.widgets.base.state import long_state
from app.widgets.base.styled_text import Cell, clean
from db.views import RunView
from engine.contracts.states import AFTER_EPOCH, AT_CHECKPOINT, RunState

TRAININGS = ("retrain", "qat")
"""Our stages that have epochs."""
_NO_SIGNAL_YET = ("", AFTER_EPOCH, AT_CHECKPOINT)


def consequences(run: RunView) -> list[Cell]:
    """Return the lines that describe what a stop does to a run in this state."""
    arrow = glyphs().arrow
    name: Cell = ((clean(run.name), "title"), ("  ", ""), *long_state(run))
    if run.state is RunState.QUEUED:
        return [name, "", "It has not begun: it is taken out of the queue.", "Runs that wait for it will not start."]
    if run.stopping not in _NO_SIGNAL_YET:
        return [
            name,
            "",
            "It is being stopped already.",
            "Now: the next signal is sent at once.",
            (("A run that is killed cannot save its checkpoint.", "warn"),),
        ]
    return [
        name,
        "",
        "Its runner, not this screen, stops it and all that it started:",
        (("  SIGINT   ", "strong"), ("at once: our stages save a checkpoint and end", "")),
        ((f"{arrow} SIGTERM  ", "strong"), ("after 20 s, to whatever is left", "")),
        ((f"{arrow} SIGKILL  ", "strong"), ("after 10 s more", "")),
        "",
        (("What it has logged and saved stays. Runs that wait for it will not start.", "muted"),),
        (("Paused, it ends at its next checkpoint and waits in the queue until it is resumed.", "muted"),),
    ]


class StopDialog(Dialog[str]):
    """Answers `stop`, `now` (skip to the next signal), `epoch` (once the epoch is saved), `pause` or nothing."""

    DEAF_SECONDS = 0.5

    def __init__(self, run: RunView) -> None:
        by_signals = run.stopping not in _NO_SIGNAL_YET
        answers = [("Next signal now", "now", "error") if by_signals else ("Stop", "stop", "error")]
        if run.stage in TRAININGS and run.state is RunState.RUNNING and not run.stopping:
            answers.append(("After this epoch", "epoch", "warning"))
        if run.state is RunState.RUNNING and not run.stopping:
            answers.append(("Pause", "pause", "warning"))
        answers.append(("Let it run", "", "default"))
        super().__init__("Stop this run?", consequences(run), answers, safe=len(answers) - 1)


def ask_to_stop(app: AppInterface, run: RunView) -> None:
    """Ask for confirmation, and stop the run in a worker thread. The run's state shows the progress of the stop."""
    if not run.state.is_live:
        app.notify(
            clean(f"{run.name} is {run.state.value}: there is nothing to stop."), severity="warning", markup=False
        )
        return

    def act(answer: str | None) -> None:
        if answer == "epoch":
            actions.end_after_epoch(app, run.id)
        elif answer == "pause":
            actions.pause(app, run)
        elif answer:
            actions.stop(app, run.id, answer == "now")

    app.push_screen(StopDialog(run), act)
