"""Compare metrics, facts and options of runs with a baseline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from app.comparing.decisions import Decision, decisions
from app.comparing.evaluation_settings import (
    MAIN_METRIC,
    METRICS,
    describe_settings,
    disagreement,
    final_evaluation,
    points,
)
from app.comparing.latency import Speed, speeds, timed_latency, timed_throughput
from app.comparing.lineage import NOISE, ChainStep, Measured, lineage, measured_by
from app.comparing.metric_sources import FILES
from app.formatting import ABSENT, duration, metric, size
from app.formatting import points as points_text
from db.views import EpochView, EvaluationView, Number, RunDetail, RunView
from engine.contracts.errors import YoloqatError

__all__ = ["NOISE", "Cell", "ChainStep", "Comparison", "Row", "compare", "lineage"]

FINAL = "final evaluation"
BEST_EPOCH = "best epoch"
ORIGIN = "read from"
"""The row with the sources of the best epoch's numbers, if they are not all from logs."""
FACTS = "run"
OPTIONS = "options"
_EVALUATION_OPTIONS = ("data", "img_size", "letterbox", "conf_thres", "single_cls", "v5_metric")
_EPOCH_METRICS = ("P", "R", "mAP@.5", MAIN_METRIC)


@dataclass(frozen=True)
class Cell:
    """One value of one run."""

    text: str
    """The displayed text; `–` when missing."""
    value: float | None = None
    delta: float | None = None
    """Difference to the baseline in points; None for the baseline itself and values that cannot be compared."""
    delta_text: str = ""
    """`−0.90`, with the digits of the coarser number; `≠eval` if not `comparable`."""
    is_best: bool = False
    comparable: bool = True
    reason: str = ""
    """Why the value is not comparable with the baseline's."""
    low: float | None = None
    """With `high`: the 95 % interval of `delta` over the choice of images, if known."""
    high: float | None = None
    is_noise: bool = False
    """Whether the interval contains zero: shown as `~` after `delta`."""
    source: str = ""
    """The source of a metric: `log`, `results.csv`, `result.json`, …; empty for other values."""
    decided: str = ""
    """The value that the stage chose itself, without the option: `mse` for the text `mse (auto)`."""

    @property
    def compared_text(self) -> str:
        """The text by which cells are compared: the chosen value if the stage chose it."""
        return self.decided or self.text

    @property
    def difference_text(self) -> str:
        """`delta_text`, followed by `~` if it is noise."""
        return self.delta_text + (NOISE if self.is_noise else "")


@dataclass(frozen=True)
class Row:
    """One metric, fact or option over all runs."""

    section: str
    key: str
    cells: tuple[Cell, ...]
    """One per run, in the order of the runs."""

    @property
    def differs(self) -> bool:
        """Whether the runs have different values."""
        return len({cell.compared_text for cell in self.cells}) > 1


@dataclass(frozen=True)
class Comparison:
    """Runs as columns; metrics, facts and options as rows."""

    runs: tuple[RunView, ...]
    baseline: str
    """The id of the run that the others are compared with."""
    metrics: tuple[Row, ...]
    """Rows of the final evaluation, then of the best epoch."""
    facts: tuple[Row, ...]
    """Stage, state, epochs, time, size of the file."""
    options: tuple[Row, ...]
    settings: str
    """The evaluation settings of the baseline as text; empty if unknown."""
    measured: tuple[Measured | None, ...] = ()
    """The evaluation of each run that its final metrics come from."""

    @property
    def has_noise(self) -> bool:
        """Whether any difference is noise."""
        return any(cell.is_noise for row in self.metrics for cell in row.cells)


def compare(details: Sequence[RunDetail], baseline: str | None = None) -> Comparison:
    """Compare runs.

    Args:
        details: the runs, in the order of their columns; those that measured nothing come last.
        baseline: id of the run to measure against; the first one that measured something when None.

    Raises:
        YoloqatError: there are no runs, or the baseline is not among them.
    """
    if not details:
        raise YoloqatError("there is nothing to compare", hint="Name at least one run.")
    details = sorted(details, key=lambda detail: final_evaluation(detail) is None and not detail.epochs)
    ids = [detail.run.id for detail in details]
    if baseline is not None and baseline not in ids:
        raise YoloqatError(f"the baseline {baseline} is not among the compared runs", hint="Name it as a run, too.")
    base = ids.index(baseline) if baseline is not None else 0
    finals = [final_evaluation(detail) for detail in details]
    return Comparison(
        runs=tuple(detail.run for detail in details),
        baseline=ids[base],
        metrics=(*_final_rows(finals, base), *_epoch_rows(details, finals, base)),
        facts=tuple(_fact_rows(details)),
        options=tuple(_option_rows(details)),
        settings=describe_settings(finals[base]),
        measured=tuple(measured_by(d.run.id, final) for d, final in zip(details, finals, strict=True)),
    )


def _final_rows(finals: Sequence[EvaluationView | None], base: int) -> Iterator[Row]:
    present = {key for final in finals if final for key in final.values}
    reasons = _reasons(finals, base)
    for key in METRICS:
        if key in present:
            numbers = [final.values.get(key) if final else None for final in finals]
            yield Row(FINAL, key, _metric_cells(numbers, reasons, base))


def _epoch_rows(details: Sequence[RunDetail], finals: Sequence[EvaluationView | None], base: int) -> Iterator[Row]:
    """Yield the rows of the best epochs. Epochs lack settings: those of the final evaluation or the options count."""
    best = [best_epoch(detail.epochs) for detail in details]
    if not any(best):
        return
    yield Row(BEST_EPOCH, "epoch", tuple(Cell(f"{e.epoch}/{e.last_epoch}" if e else ABSENT) for e in best))
    reasons = [
        why or ("" if final and finals[base] else _other_options(detail, details[base]))
        for why, final, detail in zip(_reasons(finals, base), finals, details, strict=True)
    ]
    for key in _EPOCH_METRICS:
        numbers = [epoch.values.get(key) if epoch else None for epoch in best]
        if any(numbers):
            yield Row(BEST_EPOCH, key, _metric_cells(numbers, reasons, base))
    origins = [epoch.values[MAIN_METRIC].source if epoch else ABSENT for epoch in best]
    if FILES & set(origins):
        yield Row(BEST_EPOCH, ORIGIN, tuple(Cell(origin) for origin in origins))


def best_epoch(epochs: Sequence[EpochView]) -> EpochView | None:
    """Return the epoch with the best mAP@.5:.95, the first of equal ones."""
    rated = [epoch for epoch in epochs if _value(epoch.values.get(MAIN_METRIC)) is not None]
    return max(rated, key=lambda epoch: _value(epoch.values[MAIN_METRIC]) or 0.0, default=None)


def _reasons(finals: Sequence[EvaluationView | None], base: int) -> list[str]:
    """Return for each run why its evaluation is not comparable with the baseline's; empty if it is."""
    reference = finals[base]
    return [disagreement(final, reference) if final and reference else "" for final in finals]


def _other_options(one: RunDetail, other: RunDetail) -> str:
    """Return the differing options that affect an evaluation, as text; empty if none is known."""
    keys = [key for key in _EVALUATION_OPTIONS if key in one.options and key in other.options]
    pairs = [(key, _shown(one.options[key]), _shown(other.options[key])) for key in keys]
    return ", ".join(f"{key} {here} ≠ {there}" for key, here, there in pairs if here != there)


def _metric_cells(numbers: Sequence[Number | None], reasons: Sequence[str], base: int) -> tuple[Cell, ...]:
    rated = [
        value for number, why in zip(numbers, reasons, strict=True) if (value := _value(number)) is not None and not why
    ]
    best = max(rated) if len(set(rated)) > 1 else None
    cells = []
    for index, (number, why) in enumerate(zip(numbers, reasons, strict=True)):
        value = _value(number)
        if number is None or index == base or why:
            delta, delta_text = None, "≠eval" if why and number is not None else ""
        else:
            delta, delta_text = points(number, numbers[base]), points_text(number, numbers[base])
        cells.append(
            Cell(
                text=metric(number),
                value=value,
                delta=delta,
                delta_text=delta_text,
                is_best=best is not None and value == best and not why,
                comparable=not why,
                reason=why,
                source=number.source if number is not None else "",
            )
        )
    return tuple(cells)


def _fact_rows(details: Sequence[RunDetail]) -> Iterator[Row]:
    runs = [detail.run for detail in details]
    yield Row(FACTS, "stage", tuple(Cell(run.stage) for run in runs))
    yield Row(FACTS, "state", tuple(Cell(run.state.value) for run in runs))
    if any(run.epochs_total for run in runs):
        yield Row(FACTS, "epochs", tuple(Cell(_epochs(run)) for run in runs))
    yield Row(FACTS, "time", tuple(Cell(duration(run.seconds), run.seconds) for run in runs))
    sizes = [_size(detail) for detail in details]
    if any(sizes):
        cells = tuple(Cell(size(count) if count else ABSENT, count) for count in sizes)
        yield Row(FACTS, "size", cells)
    timed = speeds(details)
    latencies = [_latency(detail, timed) for detail in details]
    if any(cell.value is not None for cell in latencies):
        yield Row(FACTS, "latency", tuple(latencies))
    rates = [_timed(timed_throughput(detail)) for detail in details]
    if any(cell.value is not None for cell in rates):
        yield Row(FACTS, "throughput", tuple(rates))


def _timed(speed: tuple[str, float] | None) -> Cell:
    return Cell(*speed) if speed else Cell(ABSENT)


def _latency(detail: RunDetail, timed: Mapping[str, Speed]) -> Cell:
    """Return the median latency of the model and its speedup over float."""
    evaluation = final_evaluation(detail)
    files = detail.details.get("latency", {}).get("files", {})
    own, reference = files.get(evaluation.label if evaluation else "ONNX INT8"), files.get("float")
    if not own or not reference:
        files = (artifact.sha256 for artifact in detail.artifacts if not artifact.is_input)
        speed = next((timed[sha256] for sha256 in files if sha256 in timed), None)
        return Cell(speed.text, speed.milliseconds) if speed else _timed(timed_latency(detail))
    return Cell(f"{own['median']:.2f} ms, {reference['median'] / own['median']:.2f}× float", own["median"])


def _option_rows(details: Sequence[RunDetail]) -> Iterator[Row]:
    """Yield a row for every option, in the order of the first run that has it."""
    flat = [dict(_flatten(detail.options)) for detail in details]
    decided = [decisions(detail) for detail in details]
    commands = [" ".join(detail.command) if detail.run.stage == "command" else "" for detail in details]
    if any(commands):
        yield Row(OPTIONS, "command", tuple(Cell(command or ABSENT) for command in commands))
    for key in dict.fromkeys(key for options in flat for key in options):
        cells = (
            _option(key, options, own, details) if key in options else Cell(ABSENT)
            for options, own in zip(flat, decided, strict=True)
        )
        yield Row(OPTIONS, key, tuple(cells))


def _option(
    key: str, options: Mapping[str, Any], decided: Mapping[str, Decision], details: Sequence[RunDetail]
) -> Cell:
    decision = decided.get(key)
    if decision is None:
        return Cell(_named(_shown(options[key]), details))
    return Cell(decision.text, decided=decision.value)


def _flatten(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return ABSENT if value in (None, "") else str(value)


def _named(text: str, details: Sequence[RunDetail]) -> str:
    """Replace the run folder at the start of a path by the run's name."""
    for detail in details:
        _, separator, rest = text.partition(f"/runs/{detail.run.id}/")
        if separator:
            return f"{detail.run.name}:{rest}"
    return text


def _size(detail: RunDetail) -> int | None:
    """Return the size of the run's model file: ONNX, else the best checkpoint."""
    outputs = {artifact.role: artifact.size_bytes for artifact in detail.artifacts if not artifact.is_input}
    models = {PurePath(a.path).suffix: a.size_bytes for a in detail.artifacts if not a.is_input}
    for role in ("onnx", "best", "weights"):
        if role in outputs:
            return outputs[role]
    return models.get(".onnx") or models.get(".pt")


def _epochs(run: RunView) -> str:
    return ABSENT if not run.epochs_total else f"{run.epochs_done or 0}/{run.epochs_total}"


def _value(number: Number | None) -> float | None:
    return None if number is None else number.value
