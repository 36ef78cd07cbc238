"""People are told of a run's end by its runner, with nothing else alive."""

import contextlib
import http.server
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.runner.processes.samples import STALL_SECONDS, Rhythm
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch, write_attempt
from engine.supervise.stop import request_stop
from tests.waiting import patience, wait_until


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def told(tmp_path: Path, **wanted: object) -> str:
    path = tmp_path / "notify.json"
    path.write_text(json.dumps(wanted))
    return str(path)


def run(workspace: Workspace, script: str, notify: str) -> RunSpec:
    spec = RunSpec(id=new_run_id(), name="relu\x1b[31m", stage=COMMAND, command=["sh", "-c", script], cwd="/")
    launch(workspace, spec, notify=notify)
    return spec


def wait(until: Callable[[], object], seconds: float = 20.0) -> None:
    wait_until(until, seconds)


@pytest.mark.parametrize(("script", "event"), [("exit 0", "success"), ("exit 3", "failure"), ("kill -9 $$", "failure")])
def test_a_command_is_run_at_the_end(workspace: Workspace, tmp_path: Path, script: str, event: str) -> None:
    out = tmp_path / "out"
    command = f'cat > {out}.json; printf "%s|%s" "$YOLOQAT_EVENT" "$YOLOQAT_TEXT" > {out}.tmp; mv {out}.tmp {out}'
    spec = run(workspace, script, told(tmp_path, command=command))
    wait(out.exists)
    said, text = out.read_text().split("|")
    assert said == event
    assert text.startswith("relu [31m on "), "nothing that a terminal would obey"
    message = json.loads(Path(f"{out}.json").read_text())
    assert message["id"] == spec.id
    assert message["folder"] == str(workspace.run(spec.id).path)
    assert ("exit code 3" in message["text"]) == (script == "exit 3")


def test_only_what_is_wanted_is_told(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    notify = told(tmp_path, command=f"cat >> {out}", on=["failure"])
    done = run(workspace, "exit 0", notify)
    wait(workspace.run(done.id).attempt(1).outcome.exists)
    run(workspace, "exit 1", notify)
    wait(out.exists)
    time.sleep(0.3)
    assert [json.loads(line)["event"] for line in out.read_text().replace("}{", "}\n{").splitlines()] == ["failure"]


def test_who_stops_a_run_is_not_told(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    spec = run(workspace, "sleep 60", told(tmp_path, command=f"cat > {out}"))
    attempt = workspace.run(spec.id).attempt(1)
    wait(attempt.process.exists)
    request_stop(attempt, now=True)
    wait(lambda: attempt.outcome.exists() and attempt.outcome.stat().st_size)
    time.sleep(0.5)
    assert not out.exists()


class _Receiver(http.server.BaseHTTPRequestHandler):
    received: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def webhook() -> Iterator[str]:
    _Receiver.received.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_json_and_its_address_is_in_no_record(
    workspace: Workspace, tmp_path: Path, webhook: str
) -> None:
    spec = run(workspace, "exit 3", told(tmp_path, webhook=webhook))
    wait(lambda: _Receiver.received)
    (message,) = _Receiver.received
    assert (message["event"], message["id"], message["attempt"]) == ("failure", spec.id, 1)
    assert "exit code 3" in message["text"]
    assert webhook not in workspace.run(spec.id).attempt(1).launch.read_text()


def test_a_webhook_that_is_not_there_is_told_in_the_runners_log(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    notify = told(tmp_path, webhook="ftp://nowhere/", command=f"cat > {out}")
    spec = run(workspace, "exit 0", notify)
    log = workspace.run(spec.id).attempt(1).path / "runner.log"
    wait(lambda: "notification: webhook: the address must begin" in log.read_text())
    assert out.exists(), "the other ways are used all the same"


def test_the_terminal_that_launched_it_rings(workspace: Workspace, tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    script = (
        "import sys; from tests.engine.runner.test_notify import run, told; from pathlib import Path;"
        "from engine.contracts.run_folder import Workspace;"
        f"run(Workspace(Path({str(workspace.path)!r})), 'sleep 0.5', told(Path({str(tmp_path)!r}), terminal=True))"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script], stderr=terminal, check=True, cwd=root, timeout=patience(60))
    os.set_blocking(main, False)
    seen = b""

    def rang() -> bool:
        nonlocal seen
        with contextlib.suppress(BlockingIOError):
            seen += os.read(main, 65536)
        return b"\a" in seen

    wait(rang)
    assert b"\x1b]9;relu [31m on " in seen
    os.close(main)
    os.close(terminal)


def test_a_stall_is_news_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    rhythm = Rhythm(0)
    for size in range(1, 5):
        moment += 300
        rhythm.observe(size)
    assert not rhythm.has_just_stalled()
    moment += STALL_SECONDS + 1
    rhythm.observe(4)
    assert not rhythm.has_just_stalled(), "five times its usual silence has not passed"
    moment += 1000
    rhythm.observe(4)
    assert rhythm.has_just_stalled()
    rhythm.observe(4)
    assert not rhythm.has_just_stalled()


def test_the_runner_tells_of_a_stall_and_of_the_end_after_it(workspace: Workspace, tmp_path: Path) -> None:
    """A real runner, whose patience is a second instead of ten minutes."""
    told_to = tmp_path / "told"
    notify = told(tmp_path, command=f'echo "$YOLOQAT_EVENT: $YOLOQAT_REASON" >> {told_to}')
    script = f"echo up; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo again; sleep 3; echo done"
    spec = RunSpec(id=new_run_id(), name="relu", stage=COMMAND, command=["sh", "-c", script], cwd="/")
    attempt = write_attempt(workspace, spec, notify=notify, sample_seconds=0.2)
    runner = (
        "import sys; from engine.runner import main; from engine.runner.processes import samples;"
        f"samples.STALL_SECONDS = 1.0; sys.exit(main.main([{str(attempt.path)!r}]))"
    )
    with subprocess.Popen([sys.executable, "-c", runner], cwd=Path(__file__).parents[3]) as process:
        wait(told_to.exists)
        time.sleep(1.5)  # it is told once
        assert told_to.read_text().startswith("stall: silent for ")
        assert told_to.read_text().count("\n") == 1
        (tmp_path / "go").touch()
        assert process.wait(30) == 0
    wait(lambda: "success" in told_to.read_text())
    assert told_to.read_text().splitlines()[-1].startswith("success: ")
