"""Records of an attempt: `launch`, `queue`, `process`, `waiting`, `stop`, `pause`, `stopping`, `slurm`, `slurm-end`."""

from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from engine.contracts.spec import Resources
from engine.files.safe_open import read_regular


class Record(BaseModel):
    """A JSON file of an attempt. Fields that a later version adds are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int = 1

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The record, or None when there is none that can be read."""
        try:
            return cls.model_validate_json(read_regular(path))
        except (OSError, ValueError):
            return None


class ProcessIdentity(BaseModel):
    """One process, for all time: a pid is reused, these together are not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    pid: int
    start_time: int
    """Clock ticks between boot and start."""
    boot_id: str
    host: str
    pid_namespace: str


class GitState(BaseModel):
    """The code that a run started from."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    commit: str
    branch: str | None = None
    dirty: bool = False
    diff: str | None = None
    """File beside the record with the uncommitted changes; None when there are none."""
    diff_bytes: int = 0
    """Size of the whole diff; the file may hold less."""
    untracked: list[str] = Field(default_factory=list)
    """Files and folders that git neither knows nor ignores, a hundred at most; what is in them is not kept."""


class Provenance(BaseModel):
    """What a run can be repeated from, apart from its specification."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    python: str = ""
    """Version of the interpreter that runs the command; of the first on the PATH where it is no Python program."""
    interpreter: str = ""
    """Its path."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of what decides a result, as far as that interpreter has it."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables that matter for a run, without secrets."""
    git: GitState | None = None


class Parent(BaseModel):
    """A run that must succeed first."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str
    path: str
    """Its run folder."""


class Grace(BaseModel):
    """Seconds between the steps of a stop."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sigint: float = 20.0
    sigterm: float = 10.0
    leftovers: float = 1.5
    """For processes that are left once the main process has ended by itself."""


class Retry(BaseModel):
    """Where an attempt stands in a series of attempts that follow one another by themselves."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: int = 0
    """How many attempts may follow the first one; 0 for none."""
    number: int = 0
    """Which retry this attempt is; 0 for one that a user started."""
    after: str = ""
    """What ended the attempt before, `signal 9`; empty for one that a user started."""
    pause_seconds: float = 20.0
    """Before the first retry; each later pause is twice as long."""
    has_run_out_of_memory: bool = False
    """An earlier attempt of the series ran out of memory: no other one is retried for that."""
    seconds_used: float = 0.0
    """Run time of the earlier attempts of the series, which counts toward the time limit."""


class LaunchRecord(Record):
    """`launch.json`: what the runner is to do. Written before it starts."""

    run_id: str
    name: str = ""
    """What the run was called at the launch, for those that wait for it."""
    stage: str
    argv: list[str]
    cwd: str
    env: dict[str, str] = Field(default_factory=dict)
    """Set on top of the launcher's environment."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Role → path relative to the run folder, of every file that a success must leave."""
    wait_for: list[Parent] = Field(default_factory=list)
    resources: Resources = Resources()
    leases: str = ""
    """The folder of this user's leases on this machine, whatever the workspace."""
    cpu_lane: int = 0
    """Width of the CPU lane: how many runs may have it at a time; 0 for any number."""
    notify: str = ""
    """The file that says whom to tell of its end; empty when nobody is to be told."""
    terminal: str = ""
    """The terminal that it was launched from."""
    grace: Grace = Grace()
    retry: Retry = Retry()
    time_limit: float = 0.0
    """Seconds after which the runner stops it; 0 for no limit."""
    sample_seconds: float = 5.0
    launcher: ProcessIdentity | None = None
    provenance: Provenance = Provenance()


class ProcessRecord(Record):
    """`process.json`: who runs it. Written before the stage starts, and again with the stage's identity."""

    runner: ProcessIdentity
    stage: ProcessIdentity | None = None
    argv: list[str] = Field(default_factory=list)
    cwd: str = ""
    started_at: datetime | None = None
    started_monotonic: float | None = None
    """The stage's start on the machine's monotonic clock, which all its processes share until it reboots."""
    leases: list[str] = Field(default_factory=list)
    """What it has to itself: `gpu-0`, `cpu-1`."""
    provenance: Provenance = Provenance()


class QueueRecord(Record):
    """`queue.json`: where a run stands in line. Read by its runner again and again while it waits."""

    priority: int = Field(default=0, ge=-999, le=999)
    """The higher, the earlier."""
    position: float
    """Among those of the same priority, the lower, the earlier: the time of the launch, unless it was moved."""
    held: bool = False
    """It does not start before it is released."""
    why: str = ""
    """Why it is held, in words; empty where somebody has held it."""
    not_before: float = 0.0
    """It does not start before this time, in seconds since 1970."""


class WaitingRecord(Record):
    """`waiting.json`: why a queued run waits."""

    reason: str
    since: datetime


class StopRequest(Record):
    """`stop.json`: somebody asked for the end."""

    requested_at: datetime
    now: bool = False
    """Skip to the next signal instead of waiting out the grace."""


class PauseRequest(Record):
    """`pause.json`: the run is to end at a checkpoint and to be put back into the queue, held."""

    requested_at: datetime
    command: list[str]
    """argv of what puts it back, for runners of versions before 0.2 alone: later ones take it from their own code."""
    checkpoint: str = ""
    """The file that its runner waits for; empty where something else ends the stage."""
    stamp: list[int] | None = None
    """Inode, size and time of that file when the pause was asked for."""


class StoppingRecord(Record):
    """`stopping.json`: how far a stop has come."""

    signal: str
    sent_at: datetime
    processes: int = 0
    """How many the signal was sent to."""
    next_signal: str | None = None
    next_at: datetime | None = None
    next_at_monotonic: float | None = None
    sender: ProcessIdentity | None = None
    """The runner, or whoever stops in its place."""


class SlurmRecord(Record):
    """`slurm.json`: the job that runs an attempt. Written when Slurm has taken it."""

    job_id: str
    """`17`, or `17_2` for a task of an array."""
    cluster: str = ""
    """In a federation; empty for the only one."""
    submitted_at: datetime
    argv: list[str] = Field(default_factory=list)
    """The command line of sbatch."""
    output: str = ""
    """Where Slurm and the job's script write, outside of the run's console."""
    restarts: int = 0
    """How often Slurm had put the job back before this attempt."""


class SlurmEnd(Record):
    """`slurm-end.json`: what Slurm says of a job that has ended, kept because Slurm forgets it after minutes."""

    state: str
    """As Slurm writes it: `TIMEOUT`; `UNKNOWN` where it had forgotten the job before anybody asked."""
    reason: str = ""
    limit: str = ""
    seen_at: datetime
