"""The recorded workspace of tests/fixtures/workspace, and a screen on it that shows neither the moment nor the machine.

A run is live when its process is there, so the runs that were at work when the workspace was recorded get one.
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
AT_WORK = "20261120-104800-qatt"
SECONDS_AT_WORK = 11525.0
STARTED = NOW - timedelta(seconds=SECONDS_AT_WORK)
WAITING = ("20261120-104801-expo", "20261120-104802-int8")
SHOWN_PATH = Path("/data/yoloqat")


class RecordedBackend(LocalBackend):
    """Reads the workspace and starts nothing: nobody is to follow these runs, or to give them a runner."""

    @property
    def path(self) -> Path:
        """The folder that the header names: not that of this machine."""
        return SHOWN_PATH

    def follow(self) -> None:
        """Nothing here goes on."""


@contextlib.contextmanager
def recorded_workspace(folder: Path) -> Iterator[Workspace]:
    """A copy of the recorded workspace in which the runs at work are alive."""
    workspace = Workspace(folder)
    shutil.copytree(RECORDED, folder)
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            found = identify(process.pid)
            assert found is not None
            identity = ProcessIdentity(**found._asdict())
            started = time.monotonic() - SECONDS_AT_WORK
            attempt = workspace.run(AT_WORK).attempt(1)
            record = ProcessRecord(runner=identity, stage=identity, started_at=STARTED, started_monotonic=started)
            attempt.process.write_text(record.model_dump_json())
            attempt.console.touch()
            for run_id in WAITING:
                workspace.run(run_id).attempt(1).process.write_text(ProcessRecord(runner=identity).model_dump_json())
            yield workspace
        finally:
            process.kill()


@contextlib.contextmanager
def still() -> Iterator[None]:
    """The moment of the recording, in UTC, on a machine of no particular name, with all signs and no animations."""
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
