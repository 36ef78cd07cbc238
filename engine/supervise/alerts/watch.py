"""Program, started by a runner: follows log and samples of an attempt, and reports what they are reported for.

`python -I -S watch.py ATTEMPT SECONDS`: looks every so many seconds and ends after its runner. Parsing a log would cost
the runner its smallness, and a report takes as long as its service does.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))

from engine.files.json_records import read_json
from engine.files.safe_open import open_regular
from engine.logs.parser import LogParser
from engine.runner import notify
from engine.supervise.alerts.alert import Alert
from engine.supervise.alerts.resources import ResourceAlerts
from engine.supervise.alerts.values import ValueAlerts

_CHUNK_BYTES = 1 << 20
_FALLING_EPOCHS = 5
_GPU_IDLE_MINUTES = 10.0
"""For settings of a version that had no alerts."""


class GrowingFile:
    """Reads what is added to a file. One that was replaced, as thinned samples are, is read on from its end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield what is new, in pieces."""
        with contextlib.suppress(OSError), open_regular(self._path) as file:
            inode = os.fstat(file.fileno()).st_ino
            if self._inode and inode != self._inode:
                self._offset = file.seek(0, os.SEEK_END)
            self._inode = inode
            file.seek(self._offset)
            while chunk := file.read(_CHUNK_BYTES):
                self._offset += len(chunk)
                yield chunk


class Watch:
    """Log and samples of one attempt."""

    def __init__(self, attempt: str, settings: dict[str, Any]) -> None:
        """Begin where the earlier attempts of the run have ended: what they were reported for is not news."""
        self._values = ValueAlerts(int(settings.get("falling_epochs") or _FALLING_EPOCHS))
        self._resources = ResourceAlerts(float(settings.get("gpu_idle_minutes") or _GPU_IDLE_MINUTES))
        folder, number = os.path.split(attempt)
        for earlier in range(1, int(number)):
            log = GrowingFile(os.path.join(folder, str(earlier), "console.log"))
            for _ in self._read_log(log, LogParser()):
                pass
        self._log, self._parser = GrowingFile(os.path.join(attempt, "console.log")), LogParser()
        self._samples, self._line = GrowingFile(os.path.join(attempt, "system.jsonl")), b""

    def look(self) -> Iterator[Alert]:
        """Yield what has happened since the last look."""
        yield from self._read_log(self._log, self._parser)
        for chunk in self._samples.chunks():
            *lines, self._line = (self._line + chunk).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    sample = json.loads(line)
                    yield from self._resources.take(sample if isinstance(sample, dict) else {})

    def _read_log(self, log: GrowingFile, parser: LogParser) -> Iterator[Alert]:
        for chunk in log.chunks():
            for fact in parser.feed(chunk):
                yield from self._values.take(fact)
            yield from self._values.take_progress(parser.progress)


def main(argv: list[str]) -> int:
    """Look until the runner has gone, and once more after it."""
    attempt, seconds, runner = argv[0], float(argv[1]), int(argv[2])  # which may have gone by now
    launch = read_json(os.path.join(attempt, "launch.json")) or {}
    watch = Watch(attempt, read_json(str(launch.get("notify", ""))) or {})
    while True:
        is_last_look = os.getppid() != runner
        for alert in watch.look():
            notify.main(attempt, alert.event, alert.reason)
        if is_last_look:
            return 0
        time.sleep(seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
