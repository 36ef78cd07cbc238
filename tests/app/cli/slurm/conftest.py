"""`yoloqat` beside a real Slurm, which all tests of this folder share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from app.launching.stop import run_status
from engine.contracts.attempt_records import SlurmRecord
from engine.contracts.states import RunState
from engine.supervise.slurm import jobs, verdict
from engine.supervise.state.status import RunStatus
from tests.app.cli.conftest import Cli, until
from tests.app.cli.slurm.cluster import CannotStart, Cluster, missing_programs


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node with 4 CPUs, 4000 MB and 2 GPUs that are only counted."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"no Slurm here: {', '.join(missing)} not found (Debian: slurmctld slurmd slurm-client munge)")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        try:
            cluster.start()
        except (CannotStart, OSError) as error:
            pytest.skip(f"Slurm cannot be started here: {error}")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def use_it(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process and those that it starts talk to the cluster, and this one asks it more often than users' do."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(jobs, "FRESH_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(verdict, "LAG_SECONDS", 1.0)


@dataclass
class Jobs:
    """Launches runs as jobs, and looks after them as their user would."""

    cli: Cli
    slurm: Cluster

    def run(self, script: str, *options: str, name: str = "job") -> str:
        """Submit a shell script. Returns the run's id."""
        answer = self.cli("run", "--executor", "slurm", "--name", name, *options, "--", "sh", "-c", script)
        assert answer.code == 0, answer.err
        return answer.out.split()[0]

    def pipeline(self, text: str, *options: str) -> dict[str, str]:
        """Launch a pipeline of this text. Returns step → run id."""
        file = self.cli.directory / "pipeline.yaml"
        file.write_text(text)
        answer = self.cli("pipeline", str(file), *options)
        assert answer.code == 0, answer.err
        rows = [line.split() for line in answer.out.splitlines()[1:] if line.strip()]
        return {row[2]: row[1] for row in rows}

    def record(self, run_id: str, attempt: int = 1) -> SlurmRecord:
        record = SlurmRecord.read(self.cli.workspace.run(run_id).attempt(attempt).slurm)
        assert record is not None
        return record

    def job_id(self, run_id: str, attempt: int = 1) -> str:
        return self.record(run_id, attempt).job_id

    def status(self, run_id: str) -> RunStatus:
        return run_status(self.cli.workspace, run_id)

    def until_state(self, run_id: str, state: RunState, timeout: float = 30) -> RunStatus:
        try:
            until(lambda: self.status(run_id).state is state, timeout)
        except AssertionError:
            job = self.slurm.ask("scontrol", "--oneliner", "show", "job", self.job_id(run_id))
            raise AssertionError(f"not {state.value} but {self.status(run_id)}\n{job}") from None
        return self.status(run_id)

    def until(self, true: Callable[[], bool], timeout: float = 30) -> None:
        until(true, timeout)

    def until_reason(self, run_id: str, reason: str) -> None:
        try:
            until(lambda: self.status(run_id).reason == reason)
        except AssertionError:
            raise AssertionError(f"the reason is not {reason!r} but {self.status(run_id).reason!r}") from None

    def until_printed(self, run_id: str, text: str, attempt: int = 1) -> None:
        until(lambda: text in self.console(run_id, attempt))

    def until_job(self, run_id: str, state: str) -> None:
        """Wait until Slurm says this of the job."""
        until(lambda: self.slurm.shown(self.job_id(run_id)).get("JobState") == state)

    def open_gate(self) -> None:
        (self.cli.directory / "go").touch()

    def console(self, run_id: str, attempt: int = 1) -> str:
        file = self.cli.workspace.run(run_id).attempt(attempt).console
        return file.read_text(errors="replace") if file.exists() else ""


@pytest.fixture
def batch(cli: Cli, slurm: Cluster) -> Jobs:
    return Jobs(cli, slurm)
