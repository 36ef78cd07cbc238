"""Provide the recorded workspace of tests/fixtures/workspace, and a clock, time zone and host name that never change.

A run is live while its process exists, so the runs that were live at the recording get a process.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from app.backend.local import LocalBackend
from app.widgets.base import surroundings
from app.widgets.base.glyphs import glyphs
from engine.contracts.attempt_records import ProcessIdentity, ProcessRecord
from engine.contracts.run_folder import Workspace
from engine.runner.processes.identity import identify
from tests.conftest import REPOSITORY

RECORDED = REPOSITORY / "tests" / "fixtures" / "workspace"
NOW = datetime(2026, 11, 20, 14, 2, tzinfo=UTC)
"""When the workspace was recorded."""
LIVE_RUN = "20261120-104800-qatt"
LIVE_SECONDS = 11525.0
STARTED = NOW - timedelta(seconds=LIVE_SECONDS)
WAITING_RUNS = ("20261120-104801-expo", "20261120-104802-int8")
SHOWN_PATH = Path("/data/yoloqat")


class RecordedBackend(LocalBackend):
    """A backend that only reads: it starts neither an indexer nor runners for the recorded runs."""

    @property
    def path(self) -> Path:
        """The folder that the header shows, the same on every machine."""
        return SHOWN_PATH

    def follow(self) -> None:
        """Do nothing: the recorded logs do not grow."""


@contextlib.contextmanager
def recorded_workspace(folder: Path) -> Iterator[Workspace]:
    """Copy the recorded workspace, and give its live runs a process while the context lasts."""
    workspace = Workspace(folder)
    shutil.copytree(RECORDED, folder)
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            identified = identify(process.pid)
            assert identified is not None
            identity = ProcessIdentity(**identified._asdict())
            started = time.monotonic() - LIVE_SECONDS
            attempt = workspace.run(LIVE_RUN).attempt(1)
            record = ProcessRecord(runner=identity, stage=identity, started_at=STARTED, started_monotonic=started)
            attempt.process.write_text(record.model_dump_json())
            attempt.console.touch()
            for run_id in WAITING_RUNS:
                workspace.run(run_id).attempt(1).process.write_text(ProcessRecord(runner=identity).model_dump_json())
            yield workspace
        finally:
            process.kill()


@contextlib.contextmanager
def fixed_surroundings() -> Iterator[None]:
    """Patch time (that of the recording, in UTC), host name and glyphs, so that pictures are reproducible."""
    with (
        mock.patch.dict(os.environ, {"TZ": "UTC", "YOLOQAT_ASCII": "0"}),
        mock.patch.object(surroundings, "now", return_value=NOW),
        mock.patch.object(surroundings, "host", return_value="gpubox"),
    ):
        glyphs.cache_clear()
        time.tzset()
        try:
            yield
        finally:
            glyphs.cache_clear()
    time.tzset()
