"""What only Slurm's accounting still knows: a cluster with slurmdbd and a MariaDB of its own."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.states import RunState
from tests.app.cli.slurm.cluster import CannotStart, Cluster, free_ports, missing_programs, program_path, user
from tests.app.cli.slurm.conftest import Jobs
from tests.waiting import patience

PROGRAMS = ("slurmdbd", "sacctmgr", "sacct", "mariadbd", "mariadb-install-db")
_DBD = """
DbdHost=localhost
DbdPort={port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""
_SQL = "CREATE USER slurm@127.0.0.1 IDENTIFIED BY 'slurm';\nGRANT ALL ON slurm.* TO slurm@127.0.0.1;\n"


class Accounted(Cluster):
    """A cluster that forgets its jobs after seconds, and whose accounting does not."""

    def _configure(self) -> None:
        self._ports = free_ports(2)
        (self.folder / "slurmdbd.conf").write_text(
            _DBD.format(folder=self.folder, user=user(), port=self._ports[0], database_port=self._ports[1])
        )
        (self.folder / "slurmdbd.conf").chmod(0o600)
        conf = self.conf.read_text().replace("accounting_storage/none", "accounting_storage/slurmdbd")
        where = f"AccountingStorageHost=localhost\nAccountingStoragePort={self._ports[0]}\n"
        self.conf.write_text(f"{conf}{where}AccountingStoragePass={self.folder}/munge.socket\nMinJobAge=2\n")

    def _start_accounting(self) -> None:
        data, first = self.folder / "mariadb", self.folder / "first.sql"
        first.write_text(_SQL)
        flags = ["--no-defaults", f"--datadir={data}", f"--user={user()}"]
        install = [str(program_path("mariadb-install-db")), *flags, "--skip-test-db"]
        done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=patience(120))
        if done.returncode:
            raise CannotStart(f"no database: {done.stderr.strip()[-200:]}")
        socket = self.folder / "mariadb.socket"
        listen = [f"--port={self._ports[1]}", "--bind-address=127.0.0.1", f"--socket={socket}", "--skip-log-bin"]
        self.daemon("mariadbd", *flags, *listen, f"--init-file={first}", f"--pid-file={self.folder}/mariadb.pid")
        self.until(socket.exists, "MariaDB")
        self.daemon("slurmdbd", "-D")
        self.until(lambda: "yoloqat" in self.ask("sacctmgr", "-i", "add", "cluster", "yoloqat"), "slurmdbd")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    missing = [*missing_programs(), *(name for name in PROGRAMS if program_path(name) is None)]
    if missing:
        pytest.skip(f"no accounting here: {', '.join(missing)} not found (Debian: slurmdbd mariadb-server)")
    cluster = Accounted(tmp_path_factory.mktemp("accounted"))
    try:
        try:
            cluster.start()
        except (CannotStart, OSError) as error:
            pytest.skip(f"Slurm with accounting cannot be started here: {error}")
        yield cluster
    finally:
        cluster.stop()


def forgotten(batch: Jobs, run_id: str) -> None:
    """Wait until the controller does not know the job any more."""
    batch.until(lambda: "Invalid job id" in batch.slurm.ask("scontrol", "show", "job", batch.job_id(run_id)), 90)


@pytest.mark.slow
def test_a_job_that_the_controller_has_forgotten_is_known_by_accounting(batch: Jobs) -> None:
    """Its runner was killed with it, and nobody looked as long as the controller knew."""
    run_id = batch.run("echo up; exec sleep 600")
    batch.until_printed(run_id, "up")
    attempt = batch.cli.workspace.run(run_id).attempt(1)
    os.kill(int(batch.cli.workspace.indexer_lock.read_text()), signal.SIGKILL)
    process = ProcessRecord.read(attempt.process)
    assert process is not None
    os.kill(process.runner.pid, signal.SIGKILL)
    forgotten(batch, run_id)
    assert not attempt.outcome.exists()
    status = batch.until_state(run_id, RunState.LOST, 60)
    assert f"(job {batch.job_id(run_id)})" in status.reason
    assert "does not know" not in status.reason


@pytest.mark.slow
def test_one_that_failed_is_judged_by_its_runner_all_the_same(batch: Jobs) -> None:
    run_id = batch.run("exit 3")
    forgotten(batch, run_id)
    assert batch.status(run_id).reason == "exit code 3"
