"""A short run of the fuzzer; the long one is a command in CONTRIBUTING."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris has no wheel for this platform")

SECONDS = int(os.environ.get("YOLOQAT_FUZZ_SECONDS", "15"))


def test_no_log_breaks_a_promise(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.fuzz_logs", str(tmp_path / "corpus"), f"-max_total_time={SECONDS}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr
