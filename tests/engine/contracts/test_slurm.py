"""What a pipeline asks of Slurm is checked before anything is submitted, each mistake with its line."""

from pathlib import Path

import pytest

from engine.pipelines.file import PipelineError, read_pipeline

PIPELINE = """name: chain
executor: slurm
slurm: {{partition: gpu, gpus: 1, extra: [--qos=high]}}
stages:
  one:
    command: [echo, one]
    slurm:
      {option}
"""


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("time: 1:30:00", "write it in quotes"),
        ("time: 'an hour'", "'an hour' is no time"),
        ("gpus: two", "write it like 1 or a100:2"),
        ("gpus: true", "write it like 1 or a100:2"),
        ("mem: 16 GB", "write it like 16G"),
        ("cpus: 0", "greater than or equal to 1"),
        ("partition: 'a b'", "write it like gpu"),
        ("memory: 16G", "mem"),
        ("extra: [constraint=a100]", "no option of sbatch"),
        ("extra: [--array=0-3]", "set by the launch itself"),
        ("extra: [-d, afterok:1]", "set by the launch itself"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, option: str, said: str) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text(PIPELINE.format(option=option))
    with pytest.raises(PipelineError) as raised:
        read_pipeline(file)
    assert said in str(raised.value)
    assert f"{file}:8" in str(raised.value)


def test_a_step_has_what_all_have_but_for_what_it_says_itself(tmp_path: Path) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text(PIPELINE.format(option="{gpus: null, time: '1:30:00', extra: [--nice]}"))
    pipeline = read_pipeline(file)
    asked = pipeline.slurm.with_changes(pipeline.stages["one"].slurm)
    assert pipeline.executor == "slurm"
    assert (asked.partition, asked.gpus, asked.time) == ("gpu", None, "1:30:00")
    assert asked.extra == ["--qos=high", "--nice"]
