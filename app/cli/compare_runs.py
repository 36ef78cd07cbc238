"""`yoloqat compare RUN RUN…`"""

import argparse
from collections.abc import Sequence
from typing import Any

from app.backend.interface import RunReader
from app.cli.chain import NOISE_WORDS, chain_table
from app.cli.output import columns, fit, print_json, say, say_lag, say_workspace
from app.comparing.comparison import NOISE, Cell, Comparison, Row
from app.comparing.lineage import ChainStep
from app.formatting import ABSENT

_KEY_CELLS, _RUN_CELLS = 20, 18


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("references", metavar="RUN", nargs="+", help="runs or groups")
    parser.add_argument("--baseline", metavar="RUN", help="compare with this run (default: the first with metrics)")
    parser.add_argument("-a", "--all", action="store_true", help="show options that do not differ, too")
    parser.add_argument(
        "--no-noise", action="store_true", help="do not resample images to find differences that are noise"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Print the chain that the runs form, then their metrics and options side by side."""
    from app.backend.local import LocalBackend

    local = LocalBackend.open(arguments.workspace)
    say_workspace(local.workspace)
    backend: RunReader = local
    ids = list(dict.fromkeys(run_id for reference in arguments.references for run_id in backend.find_all(reference)))
    baseline = backend.find(arguments.baseline) if arguments.baseline else None
    if baseline is not None and baseline not in ids:
        ids = [baseline, *ids]
    say_lag(backend.refresh(ids))
    details = [backend.detail(run_id) for run_id in ids]
    comparison, chain = backend.compare(details, baseline), backend.lineage(details)
    if not arguments.no_noise:
        comparison, chain = _with_noise(backend, comparison, chain)
    if arguments.json:
        print_json(as_json(comparison, chain))
        return 0
    parts = [chain_table(chain)] if chain else []
    parts += [_block(comparison, block, arguments.all) for block in _blocks(comparison)]
    print("\n\n".join(parts))
    return 0


def _with_noise(
    backend: RunReader, comparison: Comparison, chain: list[ChainStep]
) -> tuple[Comparison, list[ChainStep]]:
    comparison_with_intervals, steps, missing = backend.noise(comparison, chain)
    if not missing:
        return comparison_with_intervals, steps
    from app.comparing.noise_intervals import announcement

    say(f"{announcement(missing)} (--no-noise: never)")
    with_all, steps, _ = backend.noise(comparison, chain, lambda: False)
    return with_all, steps


def as_json(comparison: Comparison, chain: Sequence[ChainStep]) -> dict[str, Any]:
    """Return the documented JSON shape, with the differences of the chain's steps."""
    steps = [{**vars(step), "delta_parent": step.delta_parent, "delta_float": step.delta_float} for step in chain]
    return {"schema": 1, **vars(comparison), "chain": steps}


def _blocks(comparison: Comparison) -> list[list[int]]:
    """Split the runs into tables: as many columns as fit, the baseline first in each."""
    base = next(i for i, run in enumerate(comparison.runs) if run.id == comparison.baseline)
    others = [i for i in range(len(comparison.runs)) if i != base]
    run_count = max(1, (columns() - _KEY_CELLS) // (_RUN_CELLS + 2) - 1)
    return [[base, *others[start : start + run_count]] for start in range(0, len(others), run_count)] or [[base]]


def _block(comparison: Comparison, block: Sequence[int], show_all: bool) -> str:
    options = comparison.options if show_all else tuple(row for row in comparison.options if row.differs)
    parts = []
    for rows in (comparison.metrics, comparison.facts, options):
        for section in dict.fromkeys(row.section for row in rows):
            parts.append(_section(comparison, section, [row for row in rows if row.section == section], block))
    if comparison.settings:
        parts.append(f"baseline {_baseline_name(comparison)}: evaluated on {comparison.settings}")
    if comparison.has_noise:
        parts.append(f"{NOISE} noise: {NOISE_WORDS}")
    parts += _reasons(comparison)
    return "\n".join(parts)


def _section(comparison: Comparison, section: str, rows: Sequence[Row], block: Sequence[int]) -> str:
    """Format a section in columns of fixed widths, so that all sections align."""
    lines = [[section.upper(), *(comparison.runs[index].name for index in block)]]
    shown = [row for row in rows if any(row.cells[index].text != ABSENT for index in block)]
    lines += [[row.key, *(_text(row.cells[index]) for index in block)] for row in shown]
    return "\n".join(
        "  ".join(fit(cell, _RUN_CELLS if i else _KEY_CELLS) for i, cell in enumerate(line)).rstrip() for line in lines
    )


def _text(cell: Cell) -> str:
    return " ".join(part for part in (cell.text, cell.difference_text, "best" if cell.is_best else "") if part)


def _baseline_name(comparison: Comparison) -> str:
    return next(run.name for run in comparison.runs if run.id == comparison.baseline)


def _reasons(comparison: Comparison) -> list[str]:
    """Return why numbers were not compared, one line per run."""
    reasons = {
        run.name: cell.reason
        for row in comparison.metrics
        for run, cell in zip(comparison.runs, row.cells, strict=True)
        if cell.reason
    }
    return [f"≠eval {name}: {reason}" for name, reason in reasons.items()]
