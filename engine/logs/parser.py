"""The parser of a log: bytes in, facts out."""

from dataclasses import asdict
from typing import Any

from engine.console.escapes import without_escapes
from engine.contracts.facts import Fact, Progress
from engine.logs import version
from engine.logs.builder_state import Evaluation, State
from engine.logs.dialects import (
    foreign,
    nvidia_qat,
    process_endings,
    pycocotools,
    python_errors,
    trtexec,
    ultralytics,
    yoloqat_events,
    yolov5,
    yolov6,
    yolov7,
)
from engine.logs.dialects.python_errors import TracebackReader
from engine.logs.dialects.titles import Dialect, Titles
from engine.logs.fact_builder import FactBuilder
from engine.logs.lexer.lines import LineSplitter
from engine.logs.lexer.text import MOST_CHARACTERS, decode, without_prefix
from engine.logs.lexer.tokens import EpochHeader, Token
from engine.logs.lexer.truncated_line import without_last_number
from engine.logs.results import nvidia_summary, results_csv, results_txt, tensorboard
from engine.logs.results.event_file import EventFileReader

_FILES: tuple[Dialect, ...] = (results_txt, results_csv)
"""Files of their own: in the midst of a log their rows would only repeat it."""
DIALECTS: tuple[Dialect, ...] = (yolov7, yolov5, ultralytics, yolov6, nvidia_qat, trtexec, *_FILES)
"""In the order in which they are asked whether a line is theirs. Before any titles, a log is taken for YOLOv7's."""
_BY_NAME = {dialect.NAME: dialect for dialect in DIALECTS}
_RARE = tuple(word.encode() for word in (*yoloqat_events.WORDS, *python_errors.WORDS, *process_endings.WORDS))
"""One of these stands in each line that tells an event of ours or begins an error: most pieces of a log hold none."""


class LogParser:
    """Reads a growing log.

    Feed it the bytes as they come; the facts do not depend on where they are cut, memory is bounded, and nothing is
    ever raised. `state()` is plain data: stored with the number of bytes that were fed, it lets another process go on.
    """

    def __init__(self) -> None:
        self.lines = 0
        """Lines so far, blank ones not counted; a line that was redrawn counts once. Of an event file, records."""
        self.not_understood = 0
        self._head: bytes | None = b""
        """The first bytes, as long as they leave open what the file is."""
        self._event_file: EventFileReader | None = None
        self._splitter = LineSplitter()
        self._builder = FactBuilder()
        self._tracebacks = TracebackReader()
        self._repeated: tuple[bytes, Titles, list[Token]] | None = None
        """The last line of titles, what stood above it, and its tokens: it is the same above each epoch."""

    def feed(self, chunk: bytes) -> list[Fact]:
        """The facts that the next bytes bring. Bars in progress are not among them: see `progress`."""
        if self._head is not None:
            chunk = self._recognize(self._head + chunk)
        if self._event_file is not None:
            return self._count(self._event_file, self._event_file.feed(chunk))
        return self._lines_of(chunk)

    def _lines_of(self, chunk: bytes) -> list[Fact]:
        facts: list[Fact] = []
        lines = self._splitter.feed(chunk)
        together = b"\n".join(lines)
        is_plain = not any(word in together for word in _RARE)
        for line in lines:
            facts += self._read_line(line, is_plain=is_plain)
        return facts

    def finish(self) -> list[Fact]:
        """The facts of the last line, if it has no line feed and nothing follows any more."""
        if self._event_file is not None:
            return self._count(self._event_file, self._event_file.finish())
        facts: list[Fact] = []
        if self._head:
            if nvidia_summary.is_summary(self._head):
                self.lines = len(self._head.splitlines())
                return nvidia_summary.read_summary(self._head)
            facts, self._head = self._lines_of(self._head), None
        for line in self._splitter.finish():
            facts += self._read_line(line, is_whole=False)
        return facts + self._builder.finish()

    @property
    def dialect(self) -> str | None:
        """Whose the last titles were: a name of `engine.logs.registry`, `unknown`, or None before any."""
        if self._event_file is not None:
            return tensorboard.NAME
        if self._head and nvidia_summary.is_summary(self._head):
            return nvidia_summary.NAME
        return self._builder.titles.dialect

    @property
    def progress(self) -> Progress | None:
        """Where the newest bar stands, the one of an unfinished line included."""
        for frame in self._splitter.current():
            text = without_prefix(decode(frame))[:MOST_CHARACTERS]
            for token in self._tokens(text):
                progress = self._builder.progress_of(token)
                if progress is not None and (progress.rate or progress.done == progress.total):
                    return progress
        return self._builder.progress

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as JSON values."""
        return {
            "version": version.VERSION,
            "lines": self.lines,
            "not_understood": self.not_understood,
            "splitter": self._splitter.state(),
            "assembler": asdict(self._builder.memory),
            "traceback": self._tracebacks.state(),
            "head": None if self._head is None else self._head.decode("latin-1"),
            "event file": self._event_file.state() if self._event_file else None,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "LogParser | None":
        """The parser that left this state; None when it is one of another version."""
        if state.get("version") != version.VERSION:
            return None
        parser = cls()
        parser.lines = state["lines"]
        parser.not_understood = state["not_understood"]
        parser._splitter = LineSplitter.restore(state["splitter"])
        memory = dict(state["assembler"])
        memory["waiting"] = [Evaluation(**fields) for fields in memory["waiting"]]
        memory["current"] = Evaluation(**memory["current"]) if memory["current"] else None
        parser._builder = FactBuilder(State(**memory))
        parser._tracebacks = TracebackReader(state["traceback"])
        parser._head = None if state["head"] is None else state["head"].encode("latin-1")
        parser._event_file = EventFileReader.restore(state["event file"]) if state["event file"] else None
        return parser

    def _recognize(self, head: bytes) -> bytes:
        """What of the first bytes can be read now, as what they show the file to be."""
        is_event_file = tensorboard.is_event_file(head)
        if is_event_file is None or nvidia_summary.is_summary(head) is not False:
            self._head = head
            return b""
        self._head = None
        if is_event_file:
            self._event_file = EventFileReader()
        return head

    def _count(self, reader: EventFileReader, facts: list[Fact]) -> list[Fact]:
        self.lines, self.not_understood = reader.records.records, reader.not_understood
        return facts

    def _read_line(self, line: bytes, *, is_whole: bool = True, is_plain: bool = False) -> list[Fact]:
        """The facts of a line.

        Args:
            is_whole: a line feed ends it.
            is_plain: none of the rare words stands in its bytes.
        """
        self.lines += 1
        is_plain = is_plain and not self._tracebacks.is_open
        repeated = self._repeated
        if is_plain and repeated and line == repeated[0] and self._builder.titles is repeated[1]:
            return self._take_all(repeated[2]) or []
        text = line.decode("utf-8", errors="replace")
        if not text.isprintable():
            text, is_plain = without_escapes(text), False  # the sequences may have stood within a word
        text = without_prefix(text)
        if not is_plain:
            rare_facts = self._read_rare(text)
            if rare_facts is not None:
                return rare_facts
        text = text[:MOST_CHARACTERS]
        if not text:
            return []
        titles = self._builder.titles
        tokens = self._tokens(text)
        if is_plain and len(tokens) == 1 and isinstance(tokens[0], EpochHeader):
            self._repeated = line, titles, tokens
        facts = self._take_all(tokens if is_whole else [m for token in tokens if (m := without_last_number(token))])
        if facts is None:
            self.not_understood += 1
            return self._builder.take_foreign(text)
        return facts

    def _take_all(self, tokens: list[Token]) -> list[Fact] | None:
        """The facts of a line's tokens; None when none of them was understood."""
        facts: list[Fact] | None = None
        for token in tokens:
            facts_of_token = self._builder.take(token)
            if facts_of_token is not None:
                facts = [*facts, *facts_of_token] if facts else facts_of_token
        return facts

    def _read_rare(self, text: str) -> list[Fact] | None:
        """The facts of our own events and of errors; None of other lines."""
        event = yoloqat_events.read(text)
        if event is not None:
            return self._builder.take(event) or []
        text = text[:MOST_CHARACTERS]
        ending = process_endings.read(text)
        if ending is not None:
            self._tracebacks = TracebackReader()  # an open traceback goes no further
            return [ending]
        return self._tracebacks.read(text) if text else None

    def _tokens(self, text: str) -> list[Token]:
        """What the dialect of the last titles reads in the line, or else the first one for which it is titles."""
        titles = self._builder.titles
        if titles.dialect is None and (tokens := results_txt.read_titles(text)):
            return tokens
        current = _BY_NAME.get(titles.dialect or yolov7.NAME)
        tokens = current.read(text, titles) if current else []
        if tokens:
            return tokens
        for dialect in DIALECTS:
            if dialect is current or (titles.dialect is not None and dialect in _FILES):
                continue
            if tokens := dialect.read_titles(text):
                # After titles of an epoch that nobody knows, only those of another one tell whose epochs follow.
                return tokens if current or isinstance(tokens[0], EpochHeader) else []
        line = text.strip()
        token = pycocotools.read(line) or foreign.read(line)
        return [token] if token else []
