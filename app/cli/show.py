"""`yoloqat show RUN`"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from app.backend.interface import RunReader
from app.cli.list_runs import progress_text, state_text
from app.cli.output import coloured, columns, fit, print_json, printable, say_lag, say_workspace, table
from app.comparing.evaluation_settings import METRICS
from app.comparing.latency import timed_latency, timed_throughput
from app.comparing.layers import layer_table
from app.comparing.metric_sources import FILES, PRINTED, STORED, Sources, sources
from app.formatting import ABSENT, ago, duration, megabytes, metric, outside_lease, time_left
from app.runs.log_format import inferred_notes, log_dialect
from app.runs.resource_usage import resource_usage_rows
from db.views import EpochView, EvaluationView, RunDetail, RunView
from engine.logs.loss_names import loss_names

if TYPE_CHECKING:
    from engine.contracts.attempt_records import Provenance

_QUALITY_METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN")
    parser.add_argument("-n", "--epochs", type=int, default=10, metavar="N", help="show the last N epochs (10)")
    parser.add_argument(
        "--layers", type=int, default=20, metavar="N", help="show N layers, for runs that measure layers (20)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Print everything about a run."""
    from app.backend.local import LocalBackend

    local = LocalBackend.open(arguments.workspace)
    say_workspace(local.workspace)
    backend: RunReader = local
    run_id = backend.find(arguments.reference)
    say_lag(backend.refresh([run_id]))
    if arguments.json:
        print_json(backend.run_document(run_id))
        return 0
    detail, provenance = backend.detail(run_id), backend.provenance(run_id)
    parts = [
        "\n".join(_head(detail, backend.folder(run_id), provenance)),
        _resource_usage(detail),
        _epochs(detail.epochs[-arguments.epochs :] if arguments.epochs > 0 else ()),
        _evaluations(detail.evaluations),
        _layers(detail, arguments.layers),
        _artifacts(detail),
        _options(detail),
    ]
    print("\n\n".join(part for part in parts if part))
    return 0


def _head(detail: RunDetail, folder: Path, provenance: "Provenance | None") -> Iterator[str]:
    run, alarm = detail.run, outside_lease(detail.run.gpus_outside_lease)
    fields = {
        "name": f"{run.name} ({run.id})",
        "stage": run.stage + (f", step {run.step} of {run.group or run.pipeline}" if run.step else ""),
        "state": _state(run),
        "lease": f"processes seen {alarm}" if alarm else "",
        "stop": run.stopping,
        "progress": _progress(run),
        "best": _best(run),
        "started": f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC, {ago(run.started_at)}" if run.started_at else "",
        "time": duration(run.seconds) if run.seconds is not None else "",
        "attempt": str(run.attempt) if run.attempt > 1 else "",
        "log" if run.source == "watched" else "imported": detail.imported_from or "",
        "format": log_dialect(detail),
        "inferred": "; ".join(inferred_notes(detail)),
        "latency": ", ".join(measured[0] for measured in (timed_latency(detail), timed_throughput(detail)) if measured),
        "folder": str(folder),
        **_sidecar_results(detail),
        "not read": f"{run.lines_not_understood} lines of the log were not understood"
        if run.lines_not_understood and run.stage == "command"
        else "",
        "tags": " ".join(run.tags),
        "notes": run.notes,
        "command": " ".join(detail.command),
        **(_provenance_fields(provenance) if provenance is not None else {}),
    }
    for name, text in fields.items():
        if text:
            # Paths are not cut, so that they can be copied.
            text = printable(text)
            has_path = name in ("folder", "imported", "log", "results", "aside")
            line = f"{name:<9} {text}" if has_path else fit(f"{name:<9} {text}", columns()).rstrip()
            yield coloured(line, run.state, alarm) if name == "lease" else line


def _state(run: RunView) -> str:
    """Return the state and its reason, without saying twice what both say."""
    is_said = run.handed_to in run.reason
    qualified = state_text(replace(run, gpus_outside_lease=(), handed_to="" if is_said else run.handed_to))
    return qualified + (f" ({run.reason})" if run.reason else "")


def _provenance_fields(provenance: "Provenance") -> dict[str, str]:
    """Return the Git state of the code that the run started from, and the versions of its packages."""
    fields = {}
    if provenance.added_arguments:
        fields["added"] = " ".join(provenance.added_arguments)
    if provenance.git is not None:
        git = provenance.git
        parts = [git.commit[:12] + (f" on {git.branch}" if git.branch else "")]
        if git.dirty:
            parts.append(f"uncommitted changes in {git.diff}" if git.diff else "uncommitted changes")
        if git.untracked:
            parts.append(f"untracked: {', '.join(git.untracked)}")
        fields["code"] = "; ".join(parts)
    if provenance.python:
        versions = {"Python": provenance.python, **provenance.packages}
        fields["packages"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return fields


def _best(run: RunView) -> str:
    if run.best_map is None:
        return ""
    epoch = f" in epoch {run.best_epoch}" if run.best_epoch is not None else ""
    source = f", from {run.best_map.source}" if run.best_map.source in FILES else ""
    return f"mAP@.5:.95 {metric(run.best_map)}{epoch}{source}"


def _sidecar_results(detail: RunDetail) -> dict[str, str]:
    """Return the sidecar results: the files in use, and why others are not used."""
    used = [f"{file.path} ({file.epochs} epochs)" for file in detail.results if not file.problem]
    return {
        "results": ", ".join(used),
        "aside": "; ".join(f"{f.path}: {f.problem}" for f in detail.results if f.problem),
    }


def _progress(run: RunView) -> str:
    if not run.state.is_live or progress_text(run) == "–":
        return progress_text(run).replace("–", "")
    bar = run.progress
    fields = [f"{progress_text(run)}"]
    if bar is not None:
        fields.append(f"{bar.phase} {bar.done}/{bar.total} {bar.rate}".strip())
    if run.eta_seconds is not None:
        fields.append(f"{time_left(run.eta_seconds)} left")
    return ", ".join(fields)


def _resource_usage(detail: RunDetail) -> str:
    rows = [list(row) for row in resource_usage_rows(detail.usage)]
    return table(["DEVICE", "TOOK"], rows) if rows else ""


def _epochs(epochs: tuple[EpochView, ...]) -> str:
    """Format the epoch table, with the digits of the log or of the sidecar results."""
    metric_names = {name for epoch in epochs for name in epoch.values}
    names = [*loss_names(metric_names), *(name for name in _QUALITY_METRICS if name in metric_names)]
    if not epochs:
        return ""
    metric_sources = sources(epochs, names)
    rows = [
        [f"{epoch.epoch}/{epoch.last_epoch}", *(_digits(epoch, name, metric_sources) for name in names)]
        for epoch in epochs
    ]
    signs = [STORED if name in metric_sources.columns else "" for name in names]
    titles = [name + source_sign for name, source_sign in zip(names, signs, strict=True)]
    legend = metric_sources.legend(STORED, PRINTED)
    all_columns = range(len(names) + 1)
    text = table(["EPOCH", *titles], rows, right=all_columns, flexible=all_columns[1:] or (0,))
    return text + (f"\n{legend}" if legend else "")


def _digits(epoch: EpochView, name: str, metric_sources: Sources) -> str:
    """Return a metric with the digits that its source has."""
    number = epoch.values.get(name)
    if number is None:
        return ABSENT
    return number.text + (PRINTED if metric_sources.is_exception(name, number) else "")


def _evaluations(evaluations: tuple[EvaluationView, ...]) -> str:
    names = [name for name in METRICS[:7] if any(name in evaluation.values for evaluation in evaluations)]
    if not names:
        return ""
    rows = [
        [evaluation.label or evaluation.weights or "–", *(metric(evaluation.values.get(name)) for name in names)]
        for evaluation in evaluations
    ]
    return table(["EVALUATION", *names], rows, right=range(1, len(names) + 1))


def _layers(detail: RunDetail, max_rows: int) -> str:
    """Format the table of layers: the sensitivity of each, or its calibrated range."""
    layers = layer_table(detail)
    if layers is None:
        return ""
    last, max_rows = len(layers.headers) - 1, max(max_rows, 0)
    lines = [table(layers.headers, layers.rows[:max_rows], right=range(1, min(last + 1, 4)), flexible=(last,))]
    if len(layers.rows) > max_rows:
        lines.append(f"… {len(layers.rows) - max_rows} more: --layers {len(layers.rows)}")
    return "\n".join([*lines, *map(printable, layers.notes)])


def _artifacts(detail: RunDetail) -> str:
    rows = [
        [
            "input" if artifact.is_input else "output",
            artifact.role,
            megabytes(artifact.size_bytes),
            artifact.sha256[:12],
            artifact.path,
        ]
        for artifact in detail.artifacts
    ]
    return table(["FILE", "ROLE", "MB", "SHA-256", "PATH"], rows, right=(2,), flexible=(4,)) if rows else ""


def _options(detail: RunDetail) -> str:
    """Format the options of a foreign trainer; those of our stages are in the command line."""
    if detail.run.source == "launched" or not detail.options:
        return ""
    pairs = [printable(f"{name}={value}") for name, value in detail.options.items()]
    return "\n".join(["OPTIONS", *wrap("  ".join(pairs), columns(), break_long_words=False, break_on_hyphens=False)])
