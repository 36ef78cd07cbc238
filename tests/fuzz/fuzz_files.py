"""Coverage-guided fuzzing of what is read beside the lines of logs: `python -m tests.fuzz.fuzz_files CORPUS [options]`.

The first byte of an input says what the others are: the events of a TensorBoard file, which get their checksums here,
for no fuzzer finds those; a file of hyperparameters; what trtexec printed; a line of options. Otherwise as `fuzz_logs`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["engine.logs"]):
    from engine.contracts.errors import YoloqatError
    from engine.logs.benchmarks import payload_of
    from engine.logs.dialects.trtexec import parse_trtexec
    from engine.logs.lexer.text import MOST_CHARACTERS, decode
    from engine.logs.printed_options import told_options
    from engine.logs.results.option_files import MOST_BYTES, parse_hyperparameters
    from engine.logs.results.tensorboard import masked_crc

from tests.engine.logs.event_files import event, ultralytics, written, yolov7
from tests.engine.logs.test_hyperparameters import ARGS, HYP, OPT
from tests.engine.logs.test_told_options import NAMESPACE
from tests.fuzz.fuzz_logs import FIXTURES, check, texts

BETWEEN = b"\xff\x00\xff"
"""Two records of an input."""


def check_events(data: bytes) -> None:
    """Whatever stands in whole records."""
    records = [event(0, version="brain.Event:2"), *map(framed, data.split(BETWEEN))]
    check(b"".join(records))


def framed(data: bytes) -> bytes:
    """A record."""
    length = len(data).to_bytes(8, "little")
    return length + masked_crc(length).to_bytes(4, "little") + data + masked_crc(data).to_bytes(4, "little")


def check_hyperparameters(data: bytes) -> None:
    """They are refused with an error of ours, or are values that can be stored and shown."""
    try:
        found = parse_hyperparameters(data, "opt.yaml")
    except YoloqatError:
        return
    assert len(json.dumps(found.values, allow_nan=False)) < 12 * MOST_BYTES
    harmless(found.values)


def check_trtexec(data: bytes) -> None:
    """The result can be stored and shown."""
    payload = payload_of(result := parse_trtexec(data.decode(errors="replace")))
    json.dumps(payload, allow_nan=False)
    harmless([payload, asdict(result)])


def check_told_options(data: bytes) -> None:
    """Options of a line of a log can be stored, and are no more than the line."""
    found = told_options(decode(data)[:MOST_CHARACTERS])
    assert len(json.dumps(found, allow_nan=False)) < 12 * MOST_CHARACTERS
    harmless(found)


def harmless(value: object) -> None:
    """No text commands the terminal, and all can be stored."""
    for text in texts(value):
        assert not {"\x1b", "\x07", "\x9b", "\n"} & set(text)
        text.encode()


CHECKS: tuple[Callable[[bytes], None], ...] = (
    check_events,
    check_hyperparameters,
    check_trtexec,
    check_told_options,
)


def check_any(data: bytes) -> None:
    """What the first byte says."""
    if data:
        CHECKS[data[0] % len(CHECKS)](data[1:])


def seeds() -> list[bytes]:
    """An input of each kind, and more."""
    begin = len(event(0, version="brain.Event:2"))
    events = []
    for steps, together in ((yolov7(), False), (yolov7(), True), (ultralytics(), False)):
        data, parts = written(steps, one_event=together)[begin:], []
        while data:
            length = int.from_bytes(data[:8], "little")
            parts.append(data[12 : 12 + length])
            data = data[length + 16 :]
        events.append(BETWEEN.join(parts))
    options = [text.encode() for text in (OPT, HYP, ARGS)]
    outputs = [path.read_bytes() for path in sorted(FIXTURES.glob("trtexec*"))]
    lines = [NAMESPACE.encode(), b"train: weights=, cfg=a.yaml, epochs=3", b"hyperparameters: lr0=0.01, lrf=0.1"]
    return [bytes([kind]) + data for kind, data_of in enumerate((events, options, outputs, lines)) for data in data_of]


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if not folders:
        sys.exit(__doc__)
    if not folders[0].is_file():
        folders[0].mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds()):
            (folders[0] / f"seed-{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], "-max_len=8192", "-timeout=10", *sys.argv[1:]], check_any)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
