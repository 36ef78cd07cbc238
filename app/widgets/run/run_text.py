"""A run's progress, losses and latest metrics as lines of text. No widget."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from app.comparing.metric_sources import FILES
from app.formatting import clock, duration, metric, points, time_left
from app.widgets.base.glyphs import glyphs
from app.widgets.base.state import long_state
from app.widgets.base.styled_text import Cell, Span, clean, join, width
from app.widgets.charts.bars import bar
from db.views import EpochView, Number, RunDetail, RunView
from engine.contracts.facts import Progress
from engine.contracts.states import RunState
from engine.logs.loss_names import loss_names

_NEEDS_NO_LOG_LINE = (RunState.SUCCEEDED, RunState.STOPPED, RunState.DEPENDENCY_FAILED)
METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")


def epoch_count(run: RunView) -> str:
    """Return `7/10`: the running epoch counted from one, or the number of finished epochs of a run that has ended."""
    total = run.epochs_total
    if total is None and run.epochs_done is None:
        return ""
    done = run.epochs_done or 0
    if run.state.is_live and run.progress is not None and run.progress.epoch is not None:
        done = run.progress.epoch + 1 - _first_epoch(run)
    return f"{done}/{total}" if total is not None else str(done)


def fraction(run: RunView) -> float | None:
    """Return how much of the run is done, from 0 to 1; None if unknown."""
    bar_share = share(run.progress) if run.progress is not None else None
    if not run.epochs_total:
        return bar_share
    epochs_done = float(run.epochs_done or 0)
    progress = run.progress
    if progress is not None and progress.epoch is not None and progress.epoch - _first_epoch(run) >= epochs_done:
        epochs_done = progress.epoch - _first_epoch(run) + (bar_share or 0.0 if progress.phase == "train" else 1.0)
    return min(1.0, epochs_done / run.epochs_total)


def _first_epoch(run: RunView) -> int:
    """Return the number of the first epoch: 1 if the last epoch's number equals their count, else 0."""
    last = run.progress.last_epoch if run.progress is not None else None
    return int(last is not None and last == run.epochs_total)


def share(progress: Progress) -> float | None:
    """Return how full the progress bar is, from 0 to 1; None without a total."""
    return min(1.0, progress.done / progress.total) if progress.total > 0 else None


def headline(run: RunView) -> Cell:
    """Return name, stage and state with its reason."""
    stage = () if run.stage == run.name else ((run.stage, "muted"),)
    attempt = ((f"attempt {run.attempt}", "muted"),) if run.attempt > 1 else ()
    return join([((clean(run.name), "title"),), stage, long_state(run), attempt])


def progress_line(run: RunView, columns: int) -> Cell:
    """Return the bar of the epoch with its rate and time left; without a bar, when and how long the run ran."""
    progress = run.progress
    if not run.state.is_live or progress is None:
        return _time_line(run)
    inside = share(progress) or 0.0
    epoch = epoch_count(run)
    head = f"{progress.phase} {epoch}" if epoch and progress.epoch is not None else progress.phase
    tail = f"{inside * 100:3.0f}%  {progress.done}/{progress.total}"
    parts = [tail, progress.rate, _left(progress), _eta(run)]
    text = "  ".join(part for part in parts if part)
    room = columns - len(head) - len(text) - 4
    if room < 6:
        text = "  ".join(part for part in (tail, _eta(run) or _left(progress)) if part)
        room = columns - len(head) - len(text) - 4
    return ((f"{head}  ", ""), *bar(inside, max(4, min(room, 60))), (f"  {text}", ""))


def _left(progress: Progress) -> str:
    return "" if progress.remaining_seconds is None else f"{time_left(progress.remaining_seconds)} left"


def _eta(run: RunView) -> str:
    return "" if run.eta_seconds is None else f"run ends in {time_left(run.eta_seconds)}"


def _time_line(run: RunView) -> Cell:
    parts: list[Cell] = []
    count = epoch_count(run)
    if count:
        parts.append(f"{count} epochs")
    if run.seconds is not None:
        parts.append(((f"ran {duration(run.seconds)}", ""),))
    if run.source == "imported":
        parts.append((("imported log", "muted"),))
    elif run.ended_at is not None:
        parts.append(((f"ended {clock(run.ended_at)}", "muted"),))
    return join(parts, f" {glyphs().dot} ")


def loss_line(run: RunView, detail: RunDetail | None) -> Cell:
    """Return the current losses of the progress bar; without one, those of the last epoch."""
    values: dict[str, str] = {}
    if run.state.is_live and run.progress is not None:
        values = dict(run.progress.values)
    elif detail is not None and detail.epochs:
        values = {name: number.text for name, number in detail.epochs[-1].values.items()}
    names = [*loss_names(values), *(["gpu_mem"] if "gpu_mem" in values else [])]
    return join([((f"{name} ", "muted"), (clean(values[name]), "")) for name in names])


def metric_line(run: RunView, detail: RunDetail | None, columns: int = 200) -> Cell:
    """Return P, R and mAP: of the newest epoch, with changes, while the run is live; later of the final evaluation.

    A line that is too wide drops first the name of the results file that the numbers come from, then P and R.
    """
    if detail is None:
        return ""
    label, values, before = _latest(run, detail)
    files = sorted({values[name].source for name in METRICS if name in values} & FILES)
    origin: Cell = ((f"from {', '.join(files)}", "muted"),) if files else ""
    line: Cell = ""
    for names, end in ((METRICS, origin), (METRICS, ""), (METRICS[2:], "")):
        line = join([((clean(label), "muted"),), *_metrics(names, values, before), end])
        if width(line) <= columns:
            break
    return line if values else ""


def _latest(run: RunView, detail: RunDetail) -> tuple[str, Mapping[str, Number], Mapping[str, Number]]:
    """Return the label and values of the latest metrics, and the values that they are compared with."""
    validated = list(islice((e for e in reversed(detail.epochs) if "mAP@.5:.95" in e.values), 2))
    if detail.evaluations and not (run.state.is_live and validated):
        last = detail.evaluations[-1]
        return last.label or "final", last.values, {}
    best = best_epoch(detail.epochs)
    if not run.state.is_live and best is not None:
        return f"best e{best.epoch}", best.values, {}
    if not validated:
        return "", {}, {}
    return f"e{validated[0].epoch}", validated[0].values, validated[1].values if len(validated) > 1 else {}


def _metrics(names: Sequence[str], values: Mapping[str, Number], before: Mapping[str, Number]) -> list[Cell]:
    cells: list[Cell] = []
    for name in names:
        if name not in values:
            continue
        spans: list[Span] = [(f"{name} ", "muted"), (clean(metric(values[name])), "strong")]
        change = _change(values[name], before.get(name)) if name.startswith("mAP") else ""
        if change:
            spans.append((f" {change}", "good" if change.startswith("+") else "bad"))
        cells.append(tuple(spans))
    return cells


def _change(now: Number, before: Number | None) -> str:
    if before is None or now.value is None or before.value is None or abs(now.value - before.value) < 5e-5:
        return ""
    return clean(points(now, before))


def last_log_line(run: RunView, detail: RunDetail | None) -> Cell:
    """Return the last log line of a run that failed, ended with unknown status, or stalled."""
    needs_log_line = run.stalled or (not run.state.is_live and run.state not in _NEEDS_NO_LOG_LINE)
    if not needs_log_line or run.source == "imported" or detail is None or not detail.log_tail:
        return ""
    return ((clean(detail.log_tail[-1]), "muted"),)


def best_epoch(epochs: Iterable[EpochView]) -> EpochView | None:
    """Return the epoch with the highest mAP@.5:.95, the first of equals."""
    best, value = None, float("-inf")
    for epoch in epochs:
        number = epoch.values.get("mAP@.5:.95")
        if number is not None and number.value is not None and number.value > value:
            best, value = epoch, number.value
    return best
