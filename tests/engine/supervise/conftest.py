"""Real runs in a workspace of their own, and nothing left of them afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.contracts.attempt_records import Grace, ProcessRecord
from engine.contracts.outcome import Outcome
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import COMMAND, Resources, RunSpec
from engine.contracts.states import RunState
from engine.runner.processes.children import marked
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.state.status import RunStatus, read_state
from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[3]
GATE = "until [ -e go ]; do sleep 0.03; done; "
"""Shell: wait until the test opens the gate."""
NOTHING = Resources()
SHORT = Grace(sigint=0.4, sigterm=0.4, leftovers=0.6)


@dataclass
class Launched:
    """One run that a test has started."""

    folder: RunFolder
    attempt: AttemptFolder

    def state(self) -> RunStatus:
        return read_state(self.folder)

    def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something holds; fail with the run's state when it does not come."""
        wait_until(condition, seconds, describe=lambda: f"{self.state()}\n{self.log()}", poll_seconds=0.02)

    def until_state(self, state: RunState, seconds: float = 5.0) -> RunStatus:
        self.until(lambda: self.state().state is state, seconds)
        return self.state()

    def until_printed(self, text: str, seconds: float = 5.0) -> None:
        self.until(lambda: text in self.log(), seconds)

    def log(self) -> str:
        try:
            return self.attempt.console.read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return ""

    @property
    def process(self) -> ProcessRecord:
        record = ProcessRecord.read(self.attempt.process)
        assert record is not None
        return record

    @property
    def outcome(self) -> Outcome:
        outcome = Outcome.read(self.attempt.outcome)
        assert outcome is not None
        return outcome

    @property
    def stage_pid(self) -> int:
        assert self.process.stage is not None
        return self.process.stage.pid

    def until_started(self) -> None:
        """Wait until the stage is more than a fork that its runner holds back."""

        def started() -> bool:
            stage = self.process.stage
            return stage is not None and command_line(stage.pid) != command_line(self.process.runner.pid)

        self.until(started)

    def kill_runner(self) -> None:
        """SIGKILL to the runner, and wait until it has gone. A runner that waits is killed as it waits."""
        if self.state().state is not RunState.QUEUED:
            self.until_started()
        pid = self.process.runner.pid
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: not self.state().runner_alive)

    def kill_stage(self) -> None:
        if self.state().runner_alive:
            self.until_started()
        os.kill(self.stage_pid, signal.SIGKILL)

    def living(self) -> list[int]:
        """Every process of the run that is still there, without its runner."""
        runner = self.process.runner.pid
        return [stat.pid for stat in marked(str(self.attempt.path)) if stat.pid != runner]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b"gone"


@dataclass
class Lab:
    """Starts runs and cleans up after them."""

    workspace: Workspace
    cwd: Path
    runs: list[Launched] = field(default_factory=list)

    def shell(self, script: str, **options: object) -> Launched:
        """A run of a shell script."""
        return self.run(["sh", "-c", script], **options)  # type: ignore[arg-type]

    def gated(self, script: str, **options: object) -> Launched:
        """A run of a shell script that begins when the gate is opened."""
        return self.shell(GATE + script, **options)

    def open_gate(self) -> None:
        (self.cwd / "go").touch()

    def python(self, code: str, **options: object) -> Launched:
        """A run of a piece of Python."""
        return self.run([sys.executable, "-S", "-c", code], **options)  # type: ignore[arg-type]

    def run(
        self,
        argv: Sequence[str],
        *,
        name: str = "run",
        stage: str = COMMAND,
        artifacts: Mapping[str, str] | None = None,
        parents: Sequence[Launched] = (),
        grace: Grace = SHORT,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        sample_seconds: float = 5.0,
        resources: Resources = NOTHING,
        workspace: Workspace | None = None,
        **queue: int,
    ) -> Launched:
        spec = RunSpec(
            id=new_run_id(),
            name=name,
            stage=stage,
            command=list(argv),
            cwd=str(cwd or self.cwd),
            env=dict(env or {}),
            artifacts=dict(artifacts or {}),
            parents=[parent.folder.id for parent in parents],
            resources=resources,
        )
        workspace = workspace or self.workspace
        attempt = launch(workspace, spec, grace=grace, sample_seconds=sample_seconds, **queue)
        return self.adopt(spec.id, attempt.number, workspace)

    def adopt(self, run_id: str, attempt: int = 1, workspace: Workspace | None = None) -> Launched:
        """Take care of a run that was launched by another process."""
        folder = (workspace or self.workspace).run(run_id)
        launched = Launched(folder, folder.attempt(attempt))
        self.runs.append(launched)
        return launched

    def clean(self) -> None:
        for run in self.runs:
            for stat in marked(str(run.attempt.path)):
                with contextlib.suppress(OSError):
                    os.kill(stat.pid, signal.SIGKILL)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    lab = Lab(Workspace(tmp_path / "workspace"), cwd)
    yield lab
    lab.clean()


@pytest.fixture
def launcher(lab: Lab) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a separate process that launches one run and then stays: what a screen does. It prints `launched`."""
    started = []

    def start(run_id: str, argv: Sequence[str], first: str = "", **options: object) -> "subprocess.Popen[bytes]":
        code = f"""
import os, sys, time
from pathlib import Path
{first}
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.supervise.launch.launch import launch
launch(Workspace(Path({str(lab.workspace.path)!r})),
       RunSpec(id={run_id!r}, name="run", stage="command", command={list(argv)!r}, cwd={str(lab.cwd)!r}))
print("launched", flush=True)
time.sleep(60)
"""
        process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
