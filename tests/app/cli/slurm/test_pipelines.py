"""The same pipeline as jobs: resources, dependencies, arrays."""

import re

from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.outcome import Outcome
from engine.contracts.states import RunState
from tests.app.cli.slurm.conftest import Jobs

PIPELINE = """
name: chain
slurm: {cpus: 1, mem: 200M}
stages:
  shapes:
    uses: shapes
    options: {train_images: 2, val_images: 2, image_size: 32}
    slurm: {gpus: 1, time: '20'}
  look:
    command: [sh, -c, 'cat ${shapes.data}; echo GPUs: $CUDA_VISIBLE_DEVICES']
    slurm: {mem: 300M, extra: [--comment=quick]}
  last:
    command: [sh, -c, 'echo last']
    needs: [look]
"""
BROKEN = """
name: broken
executor: slurm
stages:
  first:
    command: [sh, -c, 'until [ -e go ]; do sleep 0.1; done; exit 3']
  second:
    command: [sh, -c, 'echo never']
    needs: [first]
  third:
    command: [sh, -c, 'echo never']
    needs: [second]
"""
HELD_GRID = """
name: grid
executor: slurm
stages:
  shapes:
    uses: shapes
    options: {train_images: 2, val_images: 2}
    grid: {image_size: [32, 48, 64]}
    slurm: {extra: [--hold]}
  look:
    command: [sh, -c, 'until [ -e go ]; do sleep 0.1; done; cat ${shapes.data}']
"""
SHARED = """
name: shared
executor: slurm
stages:
  root:
    command: [sh, -c, 'echo root']
  draw:
    uses: shapes
    options: {train_images: 2, val_images: 2}
    grid: {image_size: [32, 48]}
    needs: [root]
  redraw:
    uses: shapes
    options: {train_images: 2, val_images: 2}
    needs: [draw]
    grid: {seed: [1, 2]}
    slurm: {gpus: 1}
"""


def test_a_pipeline_runs_as_jobs_with_what_each_step_asks_for(batch: Jobs) -> None:
    runs = batch.pipeline(PIPELINE, "--executor", "slurm")
    for run in runs.values():
        batch.until_state(run, RunState.SUCCEEDED, 60)
    shown = {step: batch.slurm.shown(batch.job_id(run)) for step, run in runs.items()}
    assert {step: job["JobName"] for step, job in shown.items()} == {step: f"chain-{step}" for step in runs}
    assert shown["shapes"]["TRES"] == "cpu=1,mem=200M,node=1,billing=1"
    assert shown["shapes"]["TresPerJob"] == "gres:gpu:1"
    assert shown["shapes"]["TimeLimit"] == "00:20:00"
    assert shown["look"]["TRES"] == "cpu=1,mem=300M,node=1,billing=1"
    assert shown["look"]["Comment"] == "quick"
    assert "GPUs:\n" in batch.console(runs["look"])
    assert "nc: " in batch.console(runs["look"])
    # No child before its parent: the jobs say so, and so do the clocks of the runs.
    for parent, child in (("shapes", "look"), ("look", "last")):
        submission = batch.record(runs[child])
        is_behind = f"--dependency=afterok:{batch.job_id(runs[parent])}" in submission.argv
        assert is_behind or ended(batch, runs[parent]) <= submission.submitted_at.timestamp()
        assert started(batch, runs[child]) >= ended(batch, runs[parent])
    rows = batch.cli("ls", "--json").json()["runs"]
    assert {row["name"]: row["state"] for row in rows} == {f"chain-{step}": "succeeded" for step in runs}


def started(batch: Jobs, run_id: str) -> float:
    process = ProcessRecord.read(batch.cli.workspace.run(run_id).attempt(1).process)
    assert process is not None
    assert process.started_at is not None
    return process.started_at.timestamp()


def ended(batch: Jobs, run_id: str) -> float:
    outcome = Outcome.read(batch.cli.workspace.run(run_id).attempt(1).outcome)
    assert outcome is not None
    assert outcome.ended_at is not None
    return outcome.ended_at.timestamp()


def test_the_same_pipeline_runs_here_without_slurm(batch: Jobs) -> None:
    runs = batch.pipeline(PIPELINE)
    for run in runs.values():
        batch.until_state(run, RunState.SUCCEEDED, 60)
        assert not batch.cli.workspace.run(run).attempt(1).slurm.exists()


def test_a_failed_step_blocks_what_needs_it_and_says_why_until_it_is_resumed(batch: Jobs) -> None:
    runs = batch.pipeline(BROKEN)
    batch.until_reason(runs["second"], "waits for broken-first")
    batch.until_reason(runs["third"], "waits for broken-second")
    batch.open_gate()
    batch.until_state(runs["first"], RunState.FAILED)
    assert batch.until_state(runs["second"], RunState.DEPENDENCY_FAILED).reason == "broken-first failed: exit code 3"
    why = "broken-second could not run: broken-first failed: exit code 3"
    assert batch.until_state(runs["third"], RunState.DEPENDENCY_FAILED).reason == why
    assert batch.console(runs["second"]) == ""
    (row,) = [row for row in batch.cli("ls", "--json").json()["runs"] if row["id"] == runs["third"]]
    assert (row["state"], row["reason"]) == ("dependency failed", why)
    # Once the first one is right, the others come back to life with it.
    first = batch.cli.workspace.run(runs["first"])
    first.spec.write_text(first.spec.read_text().replace("exit 3", "exit 0"))
    answer = batch.cli("resume", "--anew", runs["first"])
    assert answer.code == 0, answer.err
    for run in runs.values():
        assert batch.until_state(run, RunState.SUCCEEDED).attempt == 2


def test_a_grid_is_an_array_and_each_child_follows_its_own_parent(batch: Jobs) -> None:
    runs = batch.pipeline(HELD_GRID)
    shapes = [run for step, run in runs.items() if step.startswith("shapes")]
    looks = [run for step, run in runs.items() if step.startswith("look")]
    numbers = [[batch.job_id(run).split("_") for run in each] for each in (shapes, looks)]
    assert [{array for array, _ in each} for each in numbers] == [{each[0][0]} for each in numbers]
    assert [[task for _, task in each] for each in numbers] == [["0", "1", "2"]] * 2
    assert "--array=0-2" in batch.record(shapes[0]).argv
    assert f"--dependency=aftercorr:{numbers[0][0][0]}" in batch.record(looks[0]).argv
    assert batch.slurm.shown(batch.job_id(shapes[1]))["JobName"] == "grid-shapes"
    batch.until_reason(looks[1], "waits for grid-shapes-48")
    batch.slurm.ask("scontrol", "release", numbers[0][0][0])
    batch.open_gate()
    for size, parent, child in zip((32, 48, 64), shapes, looks, strict=True):
        batch.until_state(child, RunState.SUCCEEDED, 60)
        assert f"image_size: {size}" in batch.console(child)
        assert started(batch, child) >= ended(batch, parent)


def test_one_task_of_an_array_can_fail_or_be_stopped_without_the_others(batch: Jobs) -> None:
    runs = batch.pipeline(HELD_GRID.replace("[32, 48, 64]", "[32, 48, 64, 80]"))
    shapes = [run for step, run in runs.items() if step.startswith("shapes")]
    looks = [run for step, run in runs.items() if step.startswith("look")]
    for run in shapes:
        batch.until_reason(run, "Slurm: held")
    assert batch.cli("stop", shapes[1]).code == 0
    batch.slurm.ask("scancel", batch.job_id(shapes[2]))
    batch.slurm.ask("scontrol", "release", batch.job_id(shapes[0]).split("_")[0])
    assert batch.until_state(shapes[1], RunState.STOPPED).reason == "stopped before it started"
    batch.until_reason(shapes[2], f"cancelled at Slurm (job {batch.job_id(shapes[2])})")
    batch.open_gate()
    for run in (shapes[0], shapes[3], looks[0], looks[3]):
        batch.until_state(run, RunState.SUCCEEDED)
    for parent, child, name in ((1, 1, "48"), (2, 2, "64")):
        status = batch.until_state(looks[child], RunState.DEPENDENCY_FAILED)
        reason = batch.status(shapes[parent]).reason
        assert status.reason == f"grid-shapes-{name} was stopped: {reason}"


def test_children_that_share_a_parent_are_an_array_behind_it(batch: Jobs) -> None:
    runs = batch.pipeline(SHARED)
    root = batch.job_id(runs["root"])
    arrays: dict[str, list[str]] = {}
    for step in runs:
        if step != "root":
            arrays.setdefault(batch.job_id(runs[step]).split("_")[0], []).append(step)
    assert sorted(map(len, arrays.values())) == [2, 2, 2]
    (behind_root,) = [steps for steps in arrays.values() if steps[0].startswith("draw")]
    assert f"--dependency=afterok:{root}" in batch.record(runs[behind_root[0]]).argv
    for step in (step for step in runs if step.startswith("redraw")):
        (dependency,) = [word for word in batch.record(runs[step]).argv if word.startswith("--dependency")]
        assert re.fullmatch(r"--dependency=afterok:\d+_[01]", dependency)
    for run in runs.values():
        batch.until_state(run, RunState.SUCCEEDED, 60)


def test_a_launch_that_slurm_refuses_halfway_leaves_nothing_in_its_queue(batch: Jobs) -> None:
    file = batch.cli.directory / "pipeline.yaml"
    file.write_text(SHARED.replace("slurm: {gpus: 1}", "slurm: {partition: nowhere}"))
    answer = batch.cli("pipeline", str(file))
    assert answer.code == 2
    assert "invalid partition specified: nowhere" in answer.err
    batch.until(lambda: not batch.slurm.ask("squeue", "--noheader").strip())
    states = {row["name"]: row["state"] for row in batch.cli("ls", "--json").json()["runs"]}
    assert states["shared-root"] in ("stopped", "succeeded")
    assert {row["state"] for row in batch.cli("ls", "--json").json()["runs"]} <= {
        "stopped", "succeeded", "could not start", "dependency failed",
    }  # fmt: skip


def test_a_dry_run_shows_what_is_asked_of_slurm_and_submits_nothing(batch: Jobs) -> None:
    file = batch.cli.directory / "pipeline.yaml"
    file.write_text(PIPELINE)
    shown = batch.cli("pipeline", str(file), "--executor", "slurm", "--slurm", "partition=urgent", "--dry-run").out
    assert "sbatch --partition=urgent --time=20 --gpus=1 --cpus-per-task=1 --mem=200M" in shown
    assert "--mem=300M --comment=quick" in shown
    assert not batch.slurm.ask("squeue", "--noheader").strip()
    assert "sbatch" not in batch.cli("pipeline", str(file), "--dry-run").out
