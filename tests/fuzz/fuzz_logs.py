"""Coverage-guided fuzzing of the log parsers: `python -m tests.fuzz.fuzz_logs CORPUS [libFuzzer options]`.

Starts from the fixtures and keeps in CORPUS what reaches new code. Ends at `-max_total_time=SECONDS`; an input that
breaks a promise is written to `crash-…` in the folder where it was started, and named. Give that file in the place of
CORPUS to run it again.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["engine.logs"]):
    from engine.contracts.facts import Fact
    from engine.logs.lexer.lines import MOST_BYTES
    from engine.logs.parser import LogParser

from db.rows_of_facts import FactRows
from tests.engine.logs.event_files import written, yolov7
from tests.engine.logs.test_foreign import OTHERS
from tests.engine.logs.test_nvidia_summary import SENSITIVE, SUMMARY

FIXTURES = Path(__file__).parents[1] / "fixtures" / "logs"
SEED_BYTES = 3000
STATE_BYTES = 12 * MOST_BYTES
"""Two frames at most are kept, each character of which may be an escape of six in JSON."""


def check(data: bytes) -> None:
    """What every log may be held to.

    Raises:
        AssertionError: it is not so.
    """
    whole = read([data])
    cut = len(data) * data[0] // 256 if data else 0
    pieces = read([data[:cut], data[cut:]])
    assert whole == pieces, "the facts depend on where the log is cut"
    facts, parser = whole[0], LogParser()
    parser.feed(data)
    assert len(json.dumps(parser.state())) < STATE_BYTES
    FactRows.of(facts)
    for text in texts([asdict(fact) for fact in facts]):
        assert not {"\x1b", "\x07", "\x9b"} & set(text), "a log commands the terminal"
        text.encode()


def read(pieces: Iterable[bytes]) -> tuple[list[Fact], int, int, object]:
    """The facts of a log of which each piece is read by another process, and what else is told of it."""
    parser = LogParser()
    facts: list[Fact] = []
    for piece in pieces:
        restored = LogParser.restore(json.loads(json.dumps(parser.state())))
        assert restored is not None
        parser = restored
        facts += parser.feed(piece)
    progress = parser.progress
    facts += parser.finish()
    return facts, parser.lines, parser.not_understood, progress


def texts(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def plant(corpus: Path) -> None:
    """Pieces of the fixtures, small enough to be changed in many ways."""
    corpus.mkdir(parents=True, exist_ok=True)
    for path in sorted(FIXTURES.iterdir()):
        data = path.read_bytes()
        for at in range(0, min(len(data), 5 * SEED_BYTES), SEED_BYTES):
            (corpus / f"{path.stem}-{at}").write_bytes(data[at : at + SEED_BYTES])
    for number, data in enumerate(
        (written(yolov7(epochs=1)), json.dumps(SUMMARY).encode(), json.dumps(SENSITIVE).encode())
    ):
        (corpus / f"file-{number}").write_bytes(data)
    for name, text in OTHERS.items():
        (corpus / name).write_text(text)


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if not folders:
        sys.exit(__doc__)
    if not folders[0].is_file():
        plant(folders[0])
    atheris.Setup([sys.argv[0], "-max_len=8192", "-timeout=10", *sys.argv[1:]], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
