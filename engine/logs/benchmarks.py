"""What a program that times a model has printed, line by line → its facts, once it says that it has ended."""

import math
from dataclasses import asdict
from typing import Any

from engine.contracts.facts import Crash, Fact, LogFormat, OutOfMemory, StageEvent
from engine.logs.builder_state import MOST_NOTES, State
from engine.logs.dialects import trtexec
from engine.logs.lexer.tokens import BenchmarkLine

_TEXTS = ("version", "command", "device", "precision", "engine", "warnings", "strongly_typed", "inputs")
_NUMBERS = ("throughput_qps", "engine_mib", "build_seconds", "host_seconds", "gpu_seconds")


def facts_of_benchmark(state: State, token: BenchmarkLine) -> list[Fact]:
    """The facts that a line brings: none before the last one, whose numbers may be those of a run that failed."""
    told: list[Fact] = []
    if token.is_first:
        state.dialect, state.columns, state.metrics, state.benchmark = token.dialect, None, None, {}
        if state.told != [token.dialect, 0] and state.notes < MOST_NOTES:
            state.notes += 1
            state.told = [token.dialect, 0]
            told.append(LogFormat(token.dialect, 0))
    if state.benchmark is None:
        return told
    trtexec.gather(state.benchmark, token.part)
    result = trtexec.result_of(state.benchmark)
    if result.passed is None:
        return told
    state.benchmark = None
    return _failure(result) if not result.passed else [StageEvent("benchmark", payload_of(result))]


def payload_of(result: trtexec.TrtexecResult) -> dict[str, Any]:
    """The result as JSON values: times in milliseconds by what was timed, numbers that are none as null."""
    fields = asdict(result)
    payload: dict[str, Any] = {key: fields[key] for key in _TEXTS}
    payload |= {key: _number(fields[key]) for key in _NUMBERS}
    payload["timings"] = {name: _numbers(timing) for name, timing in fields["timings"].items()}
    return {"program": trtexec.NAME, "unit": "ms", "batch": result.batch, **payload}


def _numbers(timing: dict[str, Any]) -> dict[str, Any]:
    return {key: _numbers(value) if isinstance(value, dict) else _number(value) for key, value in timing.items()}


def _number(text: str | None) -> float | None:
    value = math.nan if text is None else float(text)
    return value if math.isfinite(value) else None


def _failure(result: trtexec.TrtexecResult) -> list[Fact]:
    error = f"{trtexec.NAME}: {result.errors[0] if result.errors else 'failed'}"
    memory = [line for line in result.errors if trtexec.OUT_OF_MEMORY.search(line)]
    return [Crash(error, "\n".join(result.errors) or error), *map(OutOfMemory, memory[:1])]
