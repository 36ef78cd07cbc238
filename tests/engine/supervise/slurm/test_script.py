"""What is handed to sbatch."""

import subprocess
from pathlib import Path

import pytest

from engine.contracts.attempt_records import Grace
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.slurm import SlurmOptions
from engine.supervise.slurm.on_nodes import command_of, job_name, on_nodes_argv, srun_argv
from engine.supervise.slurm.script import sbatch_argv, script_text, seconds_of
from engine.supervise.slurm.state_text import ENDED, why_it_ended, why_it_waits


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("1:30:00", 5400),
        ("2-00", 172800),
        ("1-1:30", 91800),
        ("1-01:30:15", 91815),
        ("UNLIMITED", None),
        (None, None),
    ],
)
def test_a_time_limit_means_what_it_means_to_sbatch(limit: str | None, seconds: int | None) -> None:
    assert seconds_of(limit) == seconds


def test_the_runner_is_told_before_the_limit_as_early_as_a_stop_takes() -> None:
    def signals(time: str) -> list[str]:
        argv = sbatch_argv(Path("/w/job.sh"), SlurmOptions(time=time), name="run", grace=Grace(sigint=60, sigterm=10))
        return [word for word in argv if word.startswith("--signal")]

    assert signals("10:00") == ["--signal=B:USR2@100"]
    assert signals("9:59") == []  # it might come before the stage has begun


def test_what_the_user_says_comes_last_and_paths_are_taken_literally() -> None:
    options = SlurmOptions(mem="1G", time="60", extra=["--mem=2G", "--signal=TERM@10"])
    argv = sbatch_argv(Path("/100%j/job.sh"), options, name="run", dependency="afterok:3")
    assert argv[-3:] == ["--mem=2G", "--signal=TERM@10", "/100%j/job.sh"]
    assert "--output=/100%%j/slurm.log" in argv
    assert {"--dependency=afterok:3", "--kill-on-invalid-dep=yes"} < set(argv)


@pytest.mark.parametrize("is_array", [False, True])
def test_the_script_runs_its_attempt_whatever_the_folder_is_called(tmp_path: Path, is_array: bool) -> None:
    odd = tmp_path / "a b'$(touch hurt)\"%j"
    attempts = [AttemptFolder(odd / str(number)) for number in (1, 2)]
    for attempt in attempts:
        attempt.path.mkdir(parents=True)
    script = tmp_path / "job.sh"
    script.write_text(script_text(attempts if is_array else attempts[1:], is_array=is_array))
    environment = {"PATH": "/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(["sh", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1  # there is no launch.json: the runner says so of the right folder
    assert f"cannot run {attempts[1].path}: " in done.stderr
    assert not (tmp_path / "hurt").exists()


def test_every_end_and_every_reason_has_words() -> None:
    assert not [state for state in ENDED if why_it_ended(state).startswith("Slurm says ") and state != "COMPLETED"]
    assert why_it_ended("TIMEOUT", "1:00:00") == "the time limit of 1:00:00 is over"
    assert why_it_waits("PENDING", "QOSMaxCpuPerUserLimit") == (
        "Slurm: qos max cpu per user limit (QOSMaxCpuPerUserLimit)"
    )
    assert why_it_waits("REQUEUED", "BeginTime").startswith("Slurm: put back into the queue, ")
    assert why_it_waits("PENDING", "ReqNodeNotAvail, UnavailableNodes:node7") == (
        "Slurm: a node that it needs is not available (ReqNodeNotAvail, UnavailableNodes:node7)"
    )


def test_a_job_of_several_nodes_asks_for_a_task_on_each() -> None:
    asked = [word for word in sbatch_argv(Path("/w/job.sh"), SlurmOptions(nodes=3), name="run") if "n" in word[:4]]
    assert [word for word in asked if word.startswith(("--nodes", "--ntasks"))] == [
        "--nodes=3",
        "--ntasks=3",
        "--ntasks-per-node=1",
    ]


def test_torchrun_meets_at_a_port_of_its_job_and_a_signal_is_for_its_task_alone() -> None:
    task = {"SLURM_JOB_ID": "41234", "SLURM_ARRAY_JOB_ID": "41230", "SLURM_ARRAY_TASK_ID": "4"}
    argv = srun_argv(2, 4, ["/v/bin/python", "-u", "train.py", "--batch", "64"], task | {"SLURM_CPUS_PER_TASK": "8"})
    assert argv[-4].endswith(":21234")
    assert argv[-3:] == ["train.py", "--batch", "64"]
    assert "--cpus-per-task=8" in argv
    at = argv.index("/v/bin/python")
    assert argv[at : at + 6] == [
        *("/v/bin/python", "-u", "-m", "torch.distributed.run"),
        *("--nnodes=2", "--nproc-per-node=4"),
    ]
    assert (job_name(task), job_name({"SLURM_JOB_ID": "7"})) == ("41230_4", "7")


def test_the_packages_of_a_job_of_several_nodes_are_those_of_its_command() -> None:
    command = ["/v/bin/python", "-m", "train"]
    assert command_of(on_nodes_argv(command, 4, 2)) == command
    assert command_of(command) == command
