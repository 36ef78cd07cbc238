"""The table of a chain: float → PTQ → QAT → ONNX Q/DQ."""

from collections.abc import Sequence

from app.cli.output import columns, table, table_width
from app.comparing.evaluation_settings import settings_text
from app.comparing.lineage import NOISE, ChainStep
from app.formatting import ABSENT, duration, megabytes, metric
from engine.contracts.states import RunState

NOISE_WORDS = "may be the choice of images: the 95 % interval of the difference contains zero (paired bootstrap)"
INTERVAL = "95 % of Δfloat"
_HEADERS = ("STEP", "P", "R", "mAP@.5", "mAP@.5:.95", "AP", "Δparent", "Δfloat", INTERVAL, "MB", "TIME")
_SPEED = ("ms", "SPEED")
"""Columns shown only where a benchmark has timed one of the files."""
_OPTIONAL_COLUMNS = (("P", "R"), ("AP", "ms"), ("TIME",), (INTERVAL,))
"""Omitted group by group, in this order, where the terminal is too narrow."""


def chain_table(steps: Sequence[ChainStep]) -> str:
    """Format the chain with its drops of mAP@.5:.95 in points and its evaluation settings. AP is pycocotools'."""
    rows = [list(_HEADERS), *(_row(step) for step in steps)]
    if any(step.speed for step in steps):
        rows = [[*row, *speed] for row, speed in zip(rows, [_SPEED, *map(_speed, steps)], strict=True)]
    if not any(step.noise_float for step in steps):
        rows = _without(rows, (INTERVAL,))
    for headers in _OPTIONAL_COLUMNS:
        if table_width(rows) > columns():
            rows = _without(rows, headers)
    lines = [table(rows[0], rows[1:], right=range(1, len(rows[0])))]
    settings = list(dict.fromkeys(settings_text(step.settings) for step in steps if step.settings is not None))
    if len(settings) == 1:
        lines.append(f"all evaluated on {settings[0]}; Δ: mAP@.5:.95 in points; AP: pycocotools")
    else:
        lines.append("Δ: mAP@.5:.95 in points, where the evaluation settings agree; AP: pycocotools")
    if any(step.speed for step in steps):
        lines.append("ms: median of one run; SPEED: against the float model that took turns with it")
    if any(step.has_noise for step in steps):
        lines.append(f"{NOISE} noise: {NOISE_WORDS}")
    reasons = {step.label: step.not_comparable or step.not_comparable_to_float for step in steps}
    lines += [f"≠eval {label}: {reason}" for label, reason in reasons.items() if reason]
    return "\n".join(lines)


def _without(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[list[str]]:
    return [[cell for header, cell in zip(rows[0], row, strict=True) if header not in headers] for row in rows]


def _row(step: ChainStep) -> list[str]:
    label = f"{'  ' * (step.depth - 1)}└ {step.label}" if step.depth > 1 else step.label
    if step.state is not RunState.SUCCEEDED and not step.metrics:
        label = f"{label} ({step.state.value})"
    return [
        label,
        *(metric(step.metrics.get(name)) for name in ("P", "R", "mAP@.5", "mAP@.5:.95", "AP")),
        step.delta_parent_text(),
        step.delta_float_text(),
        step.noise_float.text if step.noise_float else ABSENT,
        megabytes(step.size_bytes),
        duration(step.seconds),
    ]


def _speed(step: ChainStep) -> list[str]:
    if step.speed is None:
        return ["–", "–"]
    ratio = "–" if step.speed.times is None else f"{step.speed.times:.2f}×"
    return [f"{step.speed.milliseconds:.2f}", ratio]
