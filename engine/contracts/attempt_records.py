"""Records of an attempt: `launch`, `queue`, `process`, `waiting`, `stop`, `outside-lease`, `slurm` and others."""

from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from engine.contracts.spec import Resources
from engine.files.safe_open import read_regular


class Record(BaseModel):
    """A JSON file of an attempt. Ignores fields that a later version adds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int = 1

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the record, or None when the file is missing or invalid."""
        try:
            return cls.model_validate_json(read_regular(path))
        except (OSError, ValueError):
            return None


class ProcessIdentity(BaseModel):
    """Identity of a process. The PID alone is reused; all fields together are unique."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    pid: int
    start_time: int
    """Clock ticks between boot and start."""
    boot_id: str
    host: str
    pid_namespace: str


class GitState(BaseModel):
    """State of the git repository in which a run started."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    commit: str
    branch: str | None = None
    dirty: bool = False
    diff: str | None = None
    """Name of the file beside the record that holds the uncommitted changes; None when there are none."""
    diff_bytes: int = 0
    """Size of the complete diff; the file may be truncated."""
    untracked: list[str] = Field(default_factory=list)
    """Paths that git neither tracks nor ignores, at most 100; their content is not stored."""


class Provenance(BaseModel):
    """What is needed to reproduce a run, besides its specification."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    python: str = ""
    """Version of the interpreter that runs the command; of the first one on the PATH if it is not a Python program."""
    interpreter: str = ""
    """Path of that interpreter."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that affect results, of those that are installed."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables that affect a run, without secrets."""
    git: GitState | None = None
    added_arguments: list[str] = Field(default_factory=list)
    """What the runner has added to the command: `--cidfile FILE` to a `docker run`."""


class Parent(BaseModel):
    """A run that must succeed first."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str
    path: str
    """Its run folder."""


class Grace(BaseModel):
    """Seconds to wait after each signal of a stop."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sigint: float = 20.0
    sigterm: float = 10.0
    leftovers: float = 1.5
    """For child processes that outlive a main process that exited by itself."""


class Retry(BaseModel):
    """Position of an attempt in a series of automatic retries."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: int = 0
    """Maximum number of retries; 0 for none."""
    number: int = 0
    """Number of this retry; 0 for an attempt that a user started."""
    after: str = ""
    """Why the previous attempt ended, such as `signal 9`; empty for an attempt that a user started."""
    pause_seconds: float = 20.0
    """Delay before the first retry; doubles with each further one."""
    has_run_out_of_memory: bool = False
    """An earlier attempt of the series ran out of memory. A second out-of-memory failure is not retried."""
    seconds_used: float = 0.0
    """Run time of the earlier attempts of the series, which counts toward the time limit."""


class LaunchRecord(Record):
    """`launch.json`: instructions for the runner. Written before it starts."""

    run_id: str
    name: str = ""
    """Name of the run at launch, for the messages of runs that wait for it."""
    stage: str
    argv: list[str]
    cwd: str
    env: dict[str, str] = Field(default_factory=dict)
    """Variables that are added to the launcher's environment."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Role → path relative to the run folder, of every file that must exist for the run to succeed."""
    wait_for: list[Parent] = Field(default_factory=list)
    resources: Resources = Resources()
    leases: str = ""
    """Folder of this user's leases on this machine, shared by all workspaces."""
    cpu_lane: int = 0
    """Number of runs that may use the CPU lane at a time; 0 for no limit."""
    notify: str = ""
    """File with the notification settings; empty for no notifications."""
    terminal: str = ""
    """Terminal from which the run was launched."""
    grace: Grace = Grace()
    retry: Retry = Retry()
    time_limit: float = 0.0
    """Seconds after which the runner stops the stage; 0 for no limit."""
    sample_seconds: float = 5.0
    launcher: ProcessIdentity | None = None
    provenance: Provenance = Provenance()


class ProcessRecord(Record):
    """`process.json`: runner and stage. Written before the stage starts, and again with the stage's identity."""

    runner: ProcessIdentity
    stage: ProcessIdentity | None = None
    argv: list[str] = Field(default_factory=list)
    cwd: str = ""
    started_at: datetime | None = None
    started_monotonic: float | None = None
    """Start of the stage on the monotonic clock, which all processes share until the machine reboots."""
    leases: list[str] = Field(default_factory=list)
    """Names of the leases that the attempt holds: `gpu-0`, `gpu-MIG-…`, `cpu-1`."""
    provenance: Provenance = Provenance()


class QueueRecord(Record):
    """`queue.json`: place of a run in the queue. Its runner polls it while it waits."""

    priority: int = Field(default=0, ge=-999, le=999)
    """Higher values start earlier."""
    position: float
    """Within a priority, lower values start earlier: the launch time, unless the run was moved."""
    held: bool = False
    """The run does not start before it is released."""
    why: str = ""
    """Why the run is held; empty when a user held it."""
    not_before: float = 0.0
    """Earliest start, in seconds since 1970."""


class WaitingRecord(Record):
    """`waiting.json`: why a queued run waits."""

    reason: str
    since: datetime


class StopRequest(Record):
    """`stop.json`: request to stop the attempt."""

    requested_at: datetime
    now: bool = False
    """Send the next signal without waiting for the grace period to end."""


class PauseRequest(Record):
    """`pause.json`: request to end at a checkpoint and queue the run again, held."""

    requested_at: datetime
    command: list[str]
    """argv that queues the run again; read only by runners older than 0.2, later ones use their own code."""
    checkpoint: str = ""
    """File that the runner waits for; empty if the stage ends in another way."""
    stamp: list[int] | None = None
    """Inode, size and modification time of that file at the time of the request."""


class StoppingRecord(Record):
    """`stopping.json`: progress of a stop."""

    signal: str
    sent_at: datetime
    processes: int = 0
    """Number of processes that the signal was sent to."""
    next_signal: str | None = None
    next_at: datetime | None = None
    next_at_monotonic: float | None = None
    sender: ProcessIdentity | None = None
    """The runner, or the stopper if the runner is dead."""


class OutsideLeaseRecord(Record):
    """`outside-lease.json`: processes of the run were seen on GPUs that it has no lease of."""

    gpus: list[str]
    """Indices, or UUIDs of MIG instances, in the order in which they were seen."""
    seen_at: datetime
    """When the last of them was seen first."""


class SlurmRecord(Record):
    """`slurm.json`: the job that runs an attempt. Written when Slurm has accepted it."""

    job_id: str
    """`17`, or `17_2` for a task of an array."""
    cluster: str = ""
    """Name of the cluster in a federation; empty otherwise."""
    submitted_at: datetime
    argv: list[str] = Field(default_factory=list)
    """Command line of sbatch."""
    output: str = ""
    """File for the output of Slurm and of the job script, apart from the run's console."""
    restarts: int = 0
    """How often Slurm had requeued the job before this attempt."""


class SlurmEnd(Record):
    """`slurm-end.json`: final state of a job, stored because Slurm drops it after minutes."""

    state: str
    """In Slurm's spelling: `TIMEOUT`; `UNKNOWN` if Slurm had dropped the job before it was queried."""
    reason: str = ""
    limit: str = ""
    seen_at: datetime
