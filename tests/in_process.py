"""Programs of ours run in the tests' own process: what they print is caught, and their exit code returned."""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType


class Streams:
    """As a context manager: stdout and stderr of Python code go into files, and stdin is empty.

    They are files rather than strings, for programs ask for the descriptor and write bytes to the buffer.
    """

    def __init__(self, *, together: bool = False) -> None:
        self._stack = contextlib.ExitStack()
        self._together = together
        self.out = ""
        self.err = ""

    def __enter__(self) -> "Streams":
        self._out = self._open()
        self._err = self._out if self._together else self._open()
        self._stack.enter_context(contextlib.redirect_stdout(self._out))
        self._stack.enter_context(contextlib.redirect_stderr(self._err))
        stdin, sys.stdin = sys.stdin, self._stack.enter_context(open(os.devnull, encoding="utf-8"))
        self._stack.callback(setattr, sys, "stdin", stdin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.out, self.err = self._text(self._out), self._text(self._err)
        self._stack.close()

    def _open(self) -> io.TextIOWrapper:
        # Closed with its object, not at the end: a log handler that was made meanwhile may write to it once more.
        file = tempfile.TemporaryFile()  # noqa: SIM115
        return io.TextIOWrapper(file, encoding="utf-8", newline="\n", write_through=True)

    @staticmethod
    def _text(stream: io.TextIOWrapper) -> str:
        stream.flush()
        with os.fdopen(os.dup(stream.fileno()), "rb") as file:
            file.seek(0)
            return file.read().decode("utf-8")


def run_in_process(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Call a `main`; its exit code, also where it raises `SystemExit` as argparse does."""
    try:
        return main(list(arguments))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
