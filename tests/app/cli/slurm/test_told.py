"""People are told of a job's end, too, although Slurm kills whatever a job leaves behind."""

from engine.contracts.states import RunState
from tests.app.cli.slurm.conftest import Jobs

SETTINGS = """
notify:
  command: sleep 2; echo "$YOLOQAT_EVENT of $YOLOQAT_RUN, $YOLOQAT_REASON" >> {told}
"""


def test_a_jobs_end_is_told(batch: Jobs) -> None:
    told = batch.cli.directory / "told"
    folder = batch.cli.directory.parent / "config" / "yoloqat"
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(SETTINGS.format(told=told))
    run_id = batch.run("exit 3", name="relu")
    batch.until_state(run_id, RunState.FAILED)
    batch.until_job(run_id, "FAILED")
    assert told.read_text() == "failure of relu, exit code 3\n", "the job must not be over before"
