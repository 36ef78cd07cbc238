"""A real Slurm on this machine alone: own munge key, own ports, own folder; nothing is left of it afterwards."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.waiting import patience

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
_SYSTEM = "/usr/sbin:/sbin"
_CONF = """
ClusterName=yoloqat
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# Neither cgroups nor a database: what every box and every container has.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
# Seconds, not minutes.
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
KillWait=5
OverTimeLimit=0
CompleteWait=0
SlurmdParameters=config_overrides
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
NodeName=second NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE DefMemPerCPU=100 State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE DefMemPerCPU=100 State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=pair Nodes={host},second MaxTime=INFINITE DefMemPerCPU=100 State=UP PriorityTier=1
"""


class CannotStart(Exception):
    """There is no Slurm to be had here; the message says why."""


def program_path(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + _SYSTEM)


def missing_programs() -> list[str]:
    """What Debian's packages slurmctld, slurmd, slurm-client and munge would bring."""
    return [name for name in PROGRAMS if program_path(name) is None]


def user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


class Cluster:
    """slurmctld, one slurmd (two where a test asks for them) and munged, run by the current user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.host = socket.gethostname().split(".")[0]
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What makes Slurm's programs talk to this one."""
        return {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Bring it up, until the node takes jobs.

        Raises:
            CannotStart: something does not come up.
        """
        for name in ("state", f"spool-{self.host}", "spool-second"):
            (self.folder / name).mkdir()
        self.conf.write_text(_CONF.format(host=self.host, folder=self.folder, user=user(), ports=free_ports(3)))
        self._configure()
        # Any two devices: Slurm counts them, and nobody opens them.
        gpus = "".join(f"NodeName={self.host} Name=gpu File=/dev/{name}\n" for name in ("null", "zero"))
        (self.folder / "gres.conf").write_text(f"AutoDetect=off\n{gpus}")
        self._start_munge()
        self._start_accounting()
        self.start_controller()
        self.start_node()
        self.until(lambda: self.state_of(self.host) == "idle", "the node")

    def _configure(self) -> None:
        """A place for what a cluster of another kind adds to slurm.conf."""

    def _start_accounting(self) -> None:
        """A place for the database of one that has accounting."""

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self.daemon("munged", "--foreground", "--force", f"--log-file={self.folder / 'munge.log'}", *options)
        self.until((self.folder / "munge.socket").exists, "munged")

    def start_controller(self, *options: str) -> None:
        """Start slurmctld and wait for it; `-c` has it forget every job."""
        self.daemon("slurmctld", "-D", "-f", str(self.conf), *options)
        self.until(lambda: "UP" in self.ask("scontrol", "ping"), "slurmctld")

    def stop_daemon(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def start_node(self) -> None:
        self.daemon("slurmd", "-D", "-f", str(self.conf), "-N", self.host)

    def start_second_node(self) -> None:
        """A second slurmd on the same machine, where Slurm was built for that.

        Raises:
            CannotStart: it does not come up.
        """
        if "second" not in self.daemons:
            self.daemon("slurmd", "-D", "-f", str(self.conf), "-N", "second", name="second")
            self.until(lambda: self.state_of("second") == "idle", "the second node")

    def state_of(self, node: str) -> str:
        """As sinfo tells it: `idle`, `mixed`, …"""
        return self.ask("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T").split()[:1][0]

    def ask(self, *argv: str) -> str:
        """What a program of Slurm prints, its complaints among it."""
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self.environment},
            timeout=patience(30),
            check=False,
        )
        return done.stdout

    def shown(self, job_id: str) -> dict[str, str]:
        """`scontrol show job`, as a dictionary."""
        words = self.ask("scontrol", "--oneliner", "show", "job", job_id).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def stop(self) -> None:
        """End every job and every daemon."""
        if "slurmctld" in self.daemons:
            self.ask("scancel", f"--user={user()}")
            with contextlib.suppress(CannotStart):
                self.until(lambda: not self.ask("squeue", "--noheader").strip(), "the end of the jobs", 20)
        for name in reversed(list(self.daemons)):
            self.stop_daemon(name)

    def daemon(self, program_name: str, *options: str, name: str = "") -> None:
        name = name or program_name
        program = program_path(program_name)
        if program is None:
            raise CannotStart(f"there is no {program_name}")
        with (self.folder / f"{name}.out").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                [program, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def until(self, true: Callable[[], bool], what: str, seconds: float = 30) -> None:
        began = time.monotonic()
        while not true():
            dead = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if dead or time.monotonic() - began > patience(seconds):
                name = dead[0] if dead else list(self.daemons)[-1]
                said = (self.folder / f"{name}.out").read_text(errors="replace").strip().splitlines()[-3:]
                raise CannotStart(f"{what} does not come up: {' / '.join(said) or f'{name} says nothing'}")
            time.sleep(0.1)
