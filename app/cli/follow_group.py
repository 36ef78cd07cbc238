"""Follow the runs of a pipeline: one line per epoch and evaluation, then the chain."""

import contextlib
import time
from collections.abc import Mapping, Sequence

from app.cli.chain import chain_table
from app.cli.follow import exit_code, outcome_line
from app.cli.output import say
from app.formatting import duration, metric
from app.launching.stop import run_status
from db.views import EpochView, EvaluationView, Number, RunDetail
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.logs.loss_names import loss_names
from engine.supervise.state.status import RunStatus

_POLL_SECONDS = 0.5
_TAIL_LINES = 20
_QUALITY_METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")


def follow_group(workspace: Workspace, specs: Sequence[RunSpec]) -> int:
    """Print the progress of a pipeline until all of its runs have ended, then the chain and the time it took.

    Returns:
        0 when every run has succeeded, else the exit code of the first that has not; 130 after Ctrl-C.
    """
    group = specs[0].group or specs[0].name
    started = time.monotonic()
    try:
        statuses = [_Step(workspace, spec).follow() for spec in specs]
    except KeyboardInterrupt:
        say(f"\ndetached: {group} keeps running; `yoloqat ls` lists it, `yoloqat stop {group}` stops it")
        return 130
    elapsed = time.monotonic() - started
    _print_chain(workspace, group)
    print(f"wall time {duration(elapsed)}", flush=True)
    failed = [(spec, status) for spec, status in zip(specs, statuses, strict=True) if exit_code(status)]
    if not failed:
        return 0
    spec, status = failed[0]
    _print_failure(workspace, spec, status)
    return exit_code(status)


class _Step:
    """One run of the pipeline, with the epochs and evaluations that are printed already."""

    def __init__(self, workspace: Workspace, spec: RunSpec) -> None:
        self._workspace = workspace
        self._spec = spec
        self._label = f"{spec.step or spec.name:<8}"
        self._printed_epochs: set[tuple[int, int]] = set()
        self._printed_evaluations = 0
        self._index_version = -1

    def follow(self) -> RunStatus:
        """Print the epochs and evaluations of the run until it has ended; return its last status."""
        status = run_status(self._workspace, self._spec.id)
        has_printed_start = False
        while status.state.is_live:
            if status.state is RunState.RUNNING:
                if not has_printed_start:
                    has_printed_start = True
                    print(f"{self._label}  running", flush=True)
                self._print_new_rows()
            time.sleep(_POLL_SECONDS)
            status = run_status(self._workspace, self._spec.id)
        self._print_remaining_rows()
        print(outcome_line(self._label, status).replace(":", " ", 1), flush=True)
        return status

    def _print_new_rows(self) -> None:
        from app.runs.reader import data_version, get_detail

        version = data_version(self._workspace)
        if version != self._index_version:
            self._index_version = version
            self._print_rows(get_detail(self._workspace, self._spec.id))

    def _print_remaining_rows(self) -> None:
        from app.runs.reader import get_detail, wait_until_indexed

        wait_until_indexed(self._workspace, self._spec.id)
        self._print_rows(get_detail(self._workspace, self._spec.id))

    def _print_rows(self, detail: RunDetail) -> None:
        for epoch in detail.epochs:
            # An epoch is printed when it has its validation, which the log prints after the training line.
            if (epoch.attempt, epoch.epoch) not in self._printed_epochs and _QUALITY_METRICS[-1] in epoch.values:
                self._printed_epochs.add((epoch.attempt, epoch.epoch))
                print(f"{self._label}  {_epoch_line(epoch)}", flush=True)
        for evaluation in detail.evaluations[self._printed_evaluations :]:
            if not evaluation.values:
                break
            self._printed_evaluations += 1
            print(f"{self._label}  {_evaluation_line(evaluation)}", flush=True)


def _epoch_line(epoch: EpochView) -> str:
    head = f"epoch {epoch.epoch:>{len(str(epoch.last_epoch))}}/{epoch.last_epoch}"
    losses = [f"{name} {epoch.values[name].text}" for name in loss_names(epoch.values) if name != "total"]
    return "  ".join([head, *losses, *_quality_metrics(epoch.values)])


def _evaluation_line(evaluation: EvaluationView) -> str:
    return "  ".join([evaluation.label or evaluation.weights or "evaluation", *_quality_metrics(evaluation.values)])


def _quality_metrics(values: Mapping[str, Number]) -> list[str]:
    return [f"{name} {metric(values[name])}" for name in _QUALITY_METRICS if name in values]


def _print_chain(workspace: Workspace, group: str) -> None:
    from app.backend.demo import demo_table
    from app.comparing.noise_intervals import announcement, chain_with_noise, compared_pairs, count_unsampled

    chain = demo_table(workspace, group)
    missing = count_unsampled(workspace, compared_pairs(None, chain))
    if missing:
        say(f"{announcement(missing)} (Ctrl-C skips it)")
    with contextlib.suppress(KeyboardInterrupt):
        chain = chain_with_noise(workspace, chain)
    if chain:
        print(f"\n{chain_table(chain)}\n")


def _print_failure(workspace: Workspace, spec: RunSpec, status: RunStatus) -> None:
    from app.following.log_tail import log_tail

    lines = log_tail(workspace, spec.id, lines=_TAIL_LINES)
    say("\n".join([f"last lines of {spec.name}'s log:", *(f"  {line}" for line in lines)] if lines else []))
    say(outcome_line(spec.name, status))
