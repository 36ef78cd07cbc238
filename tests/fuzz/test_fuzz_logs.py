"""Short runs of the fuzzers; the long ones are commands in CONTRIBUTING."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris has no wheel for this platform")

SECONDS = int(os.environ.get("YOLOQAT_FUZZ_SECONDS", "3"))


@pytest.mark.parametrize("fuzzer", ["fuzz_logs", "fuzz_files"])
def test_no_log_breaks_a_promise(tmp_path: Path, fuzzer: str) -> None:
    command = [sys.executable, "-m", f"tests.fuzz.{fuzzer}", str(tmp_path / "corpus"), f"-max_total_time={SECONDS}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr
