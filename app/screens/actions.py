"""Actions on runs, in worker threads: stop, resume, annotate, archive, delete."""

from collections.abc import Callable, Sequence

from app.messages import CallFailed
from app.screens.app_interface import AppInterface
from app.screens.unexpected import unexpected
from app.widgets.base.styled_text import clean
from db.views import RunView
from engine.contracts.errors import YoloqatError
from engine.contracts.states import RunState


def in_background(host: AppInterface, call: Callable[[], None], what: str) -> None:
    """Run `call` in a worker thread named `what`; errors are shown in a dialog. The runs are read again afterwards."""

    def guarded() -> None:
        try:
            call()
        except YoloqatError as error:
            host.post_message(CallFailed(error))
        except Exception as error:
            host.post_message(CallFailed(unexpected(error)))
        host.read_soon()

    host.run_worker(guarded, name=what, group="calls", thread=True, exit_on_error=False)


def stop(host: AppInterface, run_id: str, now: bool) -> None:
    """Ask a run's runner to stop it."""
    in_background(host, lambda: host.backend.stop(run_id, now), "stop")


def end_after_epoch(host: AppInterface, run_id: str) -> None:
    """Ask a training of ours to end once its current epoch is saved."""
    in_background(host, lambda: host.backend.end_after_epoch(run_id), "end after epoch")


def pause(host: AppInterface, run: RunView) -> None:
    """Ask a run to end at its next checkpoint, and queue it again, held."""

    def call() -> None:
        text = clean(f"{run.name}: {host.backend.pause(run.id)}; press r to resume")
        host.call_from_thread(lambda: host.notify(text, markup=False))

    in_background(host, call, "pause")


def resume(host: AppInterface, run: RunView) -> None:
    """Start the next attempt of a run, or continue a paused one."""
    if run.state in (RunState.STARTING, RunState.RUNNING) or run.state is RunState.SUCCEEDED:
        text = f"{run.name}: {run.state.value}, nothing to resume"
        host.notify(clean(text), severity="warning", markup=False)
        return

    def call() -> None:
        text = clean(host.backend.resume(run.id))
        host.call_from_thread(lambda: host.notify(text, markup=False))

    in_background(host, call, "resume")


def annotate(host: AppInterface, run: RunView, name: str, tags: Sequence[str], notes: str) -> None:
    """Write a run's name, tags and note."""
    in_background(host, lambda: host.backend.annotate(run, name, tags, notes), "mark")


def archive(host: AppInterface, run: RunView) -> None:
    """Archive a run, or unarchive it if it is archived."""

    def call() -> None:
        host.backend.archive(run.id, not run.archived)
        text = f"{run.name} is back in the list." if run.archived else f"{run.name} is archived; A shows it."
        host.call_from_thread(lambda: host.notify(clean(text), markup=False))

    in_background(host, call, "archive")


def delete(host: AppInterface, run: RunView) -> None:
    """Move a run into the trash. A watched run may be live: its log is no longer copied."""
    if run.state.is_live and run.source != "watched":
        host.notify(clean(f"{run.name} is {run.state.value}: stop it first."), severity="warning", markup=False)
        return

    def call() -> None:
        host.backend.delete(run.id)
        text = f"{run.name} is in the trash; u brings it back."
        host.call_from_thread(lambda: host.notify(clean(text), markup=False, timeout=10))

    in_background(host, call, "delete")


def undelete(host: AppInterface) -> None:
    """Restore the run that was deleted last."""

    def call() -> None:
        text = f"{host.backend.undelete()} is back."
        host.call_from_thread(lambda: host.notify(clean(text), markup=False))

    in_background(host, call, "undelete")
