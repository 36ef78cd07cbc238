"""What `trtexec` of TensorRT 8 to 11 prints: how an engine was built, and how fast it ran.

After NVIDIA's description of its performance summary. Times are those of one query, which is one batch; unverified, for
there is no output of each version here to hold it against.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.logs.dialects import known_lines
from engine.logs.dialects.titles import Titles
from engine.logs.lexer.text import NUMBER, decode
from engine.logs.lexer.tokens import BenchmarkLine, Token, Understood

NAME = "trtexec"
VERIFIED = False
_STAMP = re.compile(r"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[(?P<severity>[FEWIV])\] ?(?P<engine>\[TRT\] ?)?")
_STATE = re.compile(
    r"&&&& (?P<state>RUNNING|PASSED|FAILED|WAIVED) TensorRT\.trtexec"
    r"(?: \[TensorRT v(?P<version>\d{4,6}|\d{1,2}(?:\.\d{1,5}){1,3})\])?"
    r"(?: \[[^\]]{1,40}\]){0,3}(?: # (?P<command>.*))?"
)
_TIMINGS = {
    "Latency": "latency",
    "End-to-End Host Latency": "end_to_end",
    "Enqueue Time": "enqueue",
    "H2D Latency": "h2d",
    "GPU Compute Time": "gpu_compute",
    "D2H Latency": "d2h",
}
_TIMING = re.compile(
    rf"(?P<name>[A-Z][\w -]{{1,30}}): min = (?P<min>{NUMBER}) ms, max = (?P<max>{NUMBER}) ms, "
    rf"mean = (?P<mean>{NUMBER}) ms, median = (?P<median>{NUMBER}) ms"
    rf"(?P<percentiles>(?:, percentile\(\d{{1,3}}(?:\.\d{{1,9}})?%\) = {NUMBER} ms){{0,16}})"
)
_PERCENTILE = re.compile(rf"percentile\(([\d.]+)%\) = ({NUMBER}) ms")
_INPUT = re.compile(
    r"(?:Created input|Input) binding for (?P<name>\S{1,200}) with dimensions (?P<shape>\d{1,9}(?:x\d{1,9}){0,7})"
    r"(?: is created\.?)?"
)
_VALUES = {
    "throughput_qps": re.compile(rf"Throughput: ({NUMBER}) qps"),
    "host_seconds": re.compile(rf"Total Host Walltime: ({NUMBER}) s"),
    "gpu_seconds": re.compile(rf"Total GPU Compute Time: ({NUMBER}) s"),
    "build_seconds": re.compile(rf"Engine built in ({NUMBER}) sec\."),
    "created_mib": re.compile(rf"Created engine with size: ({NUMBER}) MiB"),
    "loaded_mib": re.compile(rf"Loaded engine size: ({NUMBER}) MiB"),
    "precision": re.compile(r"Precision: (\S.{0,200})"),
    "load_engine": re.compile(r"Load engine: (\S.{0,1000})"),
    "save_engine": re.compile(r"Save engine: (\S.{0,1000})"),
    "device": re.compile(r"Selected Device: (\S.{0,200})"),
    "told_version": re.compile(r"TensorRT version: (\d{1,3}\.\d{1,3}(?:\.\d{1,5}){0,2})"),
}
_MOST_LINES = 20
_MOST_INPUTS = 64
_MOST_CHARACTERS = 1000

Part = tuple[str, Any]
"""A field of what is gathered, and its value: what one line says."""
OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemory|insufficient memory", re.IGNORECASE)


@dataclass(frozen=True)
class Timing:
    """One line of the performance summary, in milliseconds, as printed."""

    min: str
    max: str
    mean: str
    median: str
    percentiles: Mapping[str, str] = field(default_factory=dict)
    """`99` → the time."""


@dataclass(frozen=True)
class TrtexecResult:
    """One run of trtexec. What it did not print is None or empty; numbers are the text that was printed."""

    passed: bool | None = None
    """None when the output ends before trtexec did."""
    version: str | None = None
    """`8.5.3`, `10.2.0`."""
    command: str | None = None
    device: str | None = None
    precision: str | None = None
    """`FP32+INT8`: what the builder was allowed to use. None for a loaded engine, of which trtexec does not know it."""
    strongly_typed: bool = False
    """The types of the ONNX file held: asked for by `--stronglyTyped`, always so since TensorRT 11."""
    engine: str | None = None
    """The file that was saved, or else loaded."""
    engine_mib: str | None = None
    build_seconds: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Name → `1x3x640x640`."""
    throughput_qps: str | None = None
    """Queries, which are batches, per second."""
    timings: Mapping[str, Timing] = field(default_factory=dict)
    """By `latency` (from host to host), `enqueue`, `h2d`, `gpu_compute`, `d2h`, up to TensorRT 8.4 `end_to_end`."""
    host_seconds: str | None = None
    gpu_seconds: str | None = None
    warnings: tuple[str, ...] = ()
    """What the performance summary says against its own numbers: an unstable clock, time lost in enqueueing."""
    errors: tuple[str, ...] = ()

    @property
    def batch(self) -> int | None:
        """Images to a query: the first dimension of the only input, else None."""
        shapes = list(self.inputs.values())
        return int(shapes[0].split("x")[0]) if len(shapes) == 1 and "x" in shapes[0] else None


def parse_trtexec(text: str) -> TrtexecResult:
    """The last run of trtexec in what it printed. Never raises; `passed` is None where its end is missing."""
    gathered: dict[str, Any] = {}
    for line in text.splitlines():
        part = read_line(decode(line[: 8 * _MOST_CHARACTERS].encode(errors="replace")))
        if part is not None:
            gather(gathered, part)
    return result_of(gathered)


def read_line(line: str) -> Part | None:
    """What a line of trtexec says, None for all that is not kept."""
    line = line.strip()
    if line.startswith("&&&& "):
        match = _STATE.fullmatch(line)
        return ("state", match.groupdict()) if match else None
    stamp = _STAMP.match(line)
    if stamp is None:
        return None
    message = line[stamp.end() :].strip()
    if stamp["severity"] in "EF":
        return ("error", message[:_MOST_CHARACTERS]) if message else None
    if stamp["severity"] == "W":
        return ("warning", message[2:_MOST_CHARACTERS]) if message.startswith("* ") else None
    if match := _TIMING.fullmatch(message):
        return _timing(match)
    if match := _INPUT.fullmatch(message):
        return ("input", [match["name"], match["shape"]])
    for name, pattern in _VALUES.items():
        if match := pattern.fullmatch(message):
            return (name, match[1].strip())
    return None


def read_titles(text: str) -> list[Token]:
    """The token of the line that each run begins with."""
    if not text.startswith("&&&& RUNNING"):
        return []
    part = read_line(text)
    return [] if part is None else [BenchmarkLine(NAME, part, is_first=True)]


def read(text: str, titles: Titles) -> list[Token]:
    if text.startswith("&&&& RUNNING"):
        return read_titles(text)
    part = read_line(text)
    if part is not None:
        return [BenchmarkLine(NAME, part)]
    token = Understood() if _STAMP.match(text) else known_lines.read(text.strip())
    return [token] if token else []


def _timing(match: re.Match[str]) -> Part | None:
    name = _TIMINGS.get(match["name"])
    if name is None:
        return None
    numbers = {key: match[key] for key in ("min", "max", "mean", "median")}
    return ("timing", [name, {**numbers, "percentiles": dict(_PERCENTILE.findall(match["percentiles"]))}])


def gather(gathered: dict[str, Any], part: Part) -> None:
    """Put what a line says to what those before it said: plain data, bounded, that `result_of` makes a result of."""
    name, value = part
    if name == "state":
        if value["state"] == "RUNNING":
            gathered.clear()
            gathered["running"] = value
        else:
            gathered["ended"] = value
    elif name in ("error", "warning"):
        lines = gathered.setdefault(name, [])
        if len(lines) < _MOST_LINES:
            lines.append(value)
    elif name == "timing":
        gathered.setdefault(name, {})[value[0]] = value[1]
    elif name == "input":
        inputs = gathered.setdefault(name, {})
        if len(inputs) < _MOST_INPUTS:
            inputs[value[0]] = value[1]
    else:
        gathered[name] = value


def result_of(gathered: Mapping[str, Any]) -> TrtexecResult:
    """The result that gathered lines make."""
    running, ended = gathered.get("running") or {}, gathered.get("ended") or {}
    command = running.get("command") or ended.get("command")
    version = _version(running.get("version") or ended.get("version")) or gathered.get("told_version")
    words = (command or "").split()
    is_loaded = "load_engine" in gathered or any(word.startswith("--loadEngine") for word in words)
    timings = {name: Timing(**numbers) for name, numbers in gathered.get("timing", {}).items()}
    return TrtexecResult(
        passed={"PASSED": True, "FAILED": False}.get(ended.get("state", "")),
        version=version,
        command=command,
        device=gathered.get("device"),
        precision=None if is_loaded else gathered.get("precision"),
        strongly_typed="--stronglyTyped" in words or _major(version) >= 11,
        engine=gathered.get("save_engine") or gathered.get("load_engine"),
        engine_mib=gathered.get("created_mib") or gathered.get("loaded_mib"),
        build_seconds=gathered.get("build_seconds"),
        inputs=dict(gathered.get("input", {})),
        throughput_qps=gathered.get("throughput_qps"),
        timings=timings,
        host_seconds=gathered.get("host_seconds"),
        gpu_seconds=gathered.get("gpu_seconds"),
        warnings=tuple(gathered.get("warning", ())),
        errors=tuple(gathered.get("error", ())),
    )


def _version(digits: str | None) -> str | None:
    """`8503` → 8.5.3; since TensorRT 10, `100200` → 10.2.0."""
    if digits is None or "." in digits:
        return digits
    number = int(digits)
    parts = (number // 1000, number // 100 % 10, number % 100)
    if number >= 100_000:
        parts = (number // 10_000, number // 100 % 100, number % 100)
    return ".".join(map(str, parts))


def _major(version: str | None) -> int:
    return int(version.split(".")[0]) if version else 0
