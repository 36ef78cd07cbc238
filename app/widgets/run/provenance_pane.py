"""Where a run comes from and what it left: command, folder, options, files, code, and how to stop it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.formatting import clock, duration, size
from app.runs.log_format import inferred_notes, log_dialect
from app.runs.resource_usage import resource_usage_rows
from app.widgets.base.glyphs import glyphs
from app.widgets.base.state import long_state
from app.widgets.base.styled_text import Cell, clean, join
from db.views import ArtifactView, ResultsFileView, RunDetail, RunView
from engine.contracts.states import RunState

_MOST_UNTRACKED = 5

if TYPE_CHECKING:
    from engine.contracts.attempt_records import GitState, Provenance


def about(detail: RunDetail, folder: str, provenance: Provenance | None = None) -> list[Cell]:
    """Return the lines, long ones unbroken."""
    run = detail.run
    lines: list[Cell] = [*_facts(run, folder), *_what_to_do(run, detail.artifacts)]
    if detail.command:
        lines += ["", (("Command", "title"),), clean(shlex.join(detail.command))]
    if detail.cwd:
        lines.append(join([(("in ", "muted"), (clean(detail.cwd), ""))]))
    if detail.imported_from:
        heading = "Follows" if run.source == "watched" else "Imported from"
        lines += ["", ((heading, "title"),), clean(detail.imported_from)]
        if dialect := log_dialect(detail):
            lines.append(join([(("as ", "muted"), (clean(dialect), ""))]))
        lines += [((clean(note), "warn"),) for note in inferred_notes(detail)]
    if took := resource_usage_rows(detail.usage):
        lines += [
            "",
            (("Took", "title"),),
            *(((f"{name:<9}", "muted"), (clean(usage_text), "")) for name, usage_text in took),
        ]
    if detail.results:
        lines += ["", (("Results beside the log", "title"),), *(_results(file) for file in detail.results)]
    for heading, is_input in (("Inputs", True), ("Artifacts", False)):
        files = [a for a in detail.artifacts if a.is_input is is_input]
        if files:
            lines += ["", ((heading, "title"),), *(_file(a) for a in files)]
    if detail.options:
        lines += ["", (("Options", "title"),), *_options(detail.options)]
    lines += _code(provenance) if provenance is not None else []
    if run.lines_not_understood and run.stage == "command":
        lines += ["", ((f"{run.lines_not_understood} lines of the log were not understood", "muted"),)]
    return lines


def _facts(run: RunView, folder: str) -> list[Cell]:
    def fact(name: str, value: str) -> Cell:
        return ((f"{name:<9}", "muted"), (clean(value), ""))

    lines: list[Cell] = [
        ((f"{'state':<9}", "muted"), *long_state(run)),
        fact("id", run.id),
        fact("folder", folder),
        fact("created", clock(run.created_at)),
    ]
    if run.started_at:
        lines.append(fact("started", clock(run.started_at)))
    if run.ended_at:
        lines.append(fact("ended", f"{clock(run.ended_at)}, after {duration(run.seconds)}"))
    if run.pipeline:
        lines.append(fact("pipeline", f"{run.pipeline}, step {run.step or run.name}"))
    if run.tags:
        lines.append(fact("tags", " ".join(run.tags)))
    if run.notes:
        lines.append(fact("notes", run.notes))
    return lines


def _what_to_do(run: RunView, artifacts: tuple[ArtifactView, ...]) -> list[Cell]:
    """Return how to stop a live run, and how to go on from one that ended early."""
    if run.state.is_live and run.source == "watched":
        return ["", (("Stop", "title"),), "it was not started here, and is not stopped from here"]
    if run.state.is_live:
        return ["", (("Stop", "title"),), f"key s, or: yoloqat stop {shlex.quote(clean(run.name))}"]
    if run.source != "launched" or run.state is RunState.SUCCEEDED:
        return []
    last = next((a.path for a in artifacts if a.role == "last" and not a.is_input), None)
    if run.stage == "retrain" and last:
        return ["", (("Go on", "title"),), f"yoloqat retrain --weights {clean(last)} with the options below"]
    return ["", (("Run again", "title"),), "with the command below; its log and files stay as they are"]


def _results(file: ResultsFileView) -> Cell:
    source_text = f"{file.source}, {file.epochs} epochs" if not file.problem else f"left aside, {clean(file.problem)}"
    return ((f"{source_text}  ", "warn" if file.problem else "muted"), (clean(file.path), ""))


def _file(artifact: ArtifactView) -> Cell:
    return (
        (f"{clean(artifact.role):<9}", "muted"),
        (clean(artifact.path), ""),
        (f"  {size(artifact.size_bytes)}  {artifact.sha256[:12]}", "muted"),
    )


def _options(options: Mapping[str, object]) -> list[Cell]:
    longest = max(len(name) for name in options)
    return [((f"{clean(name):<{longest}}  ", "muted"), (clean(_value(value)), "")) for name, value in options.items()]


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return str(value) if value not in ("", None) else glyphs().dash


def _code(provenance: Provenance) -> list[Cell]:
    """Return commit, uncommitted changes and package versions."""
    lines: list[Cell] = ["", (("Code", "title"),)]
    git = provenance.git
    if git is not None:
        branch = f" on {git.branch}" if git.branch else ""
        lines.append(join([(("git  ", "muted"), (clean(f"{git.commit[:12]}{branch}"), "")), _changes(git)]))
    if git is not None and git.untracked:
        more = len(git.untracked) - _MOST_UNTRACKED
        names = [*git.untracked[:_MOST_UNTRACKED], *([f"and {more} more"] if more > 0 else [])]
        lines.append(((f"not known to git, and not kept: {clean(', '.join(names))}", "warn"),))
    interpreter = f"  {provenance.interpreter}" if provenance.interpreter else ""
    versions = {"python": f"{provenance.python}{interpreter}" if provenance.python else "", **provenance.packages}
    lines += [join([((f"{clean(n):<22}", "muted"), (clean(v), ""))]) for n, v in versions.items() if v]
    return lines if len(lines) > 2 else []


def _changes(git: GitState) -> Cell:
    if not git.dirty:
        return (("no uncommitted changes", "muted"),)
    where = f" in {clean(git.diff)}" if git.diff else ""
    return ((f"uncommitted changes: {size(git.diff_bytes)}{where}", "warn"),)
