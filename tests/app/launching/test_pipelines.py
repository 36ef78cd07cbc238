"""From a file to the command lines that will run: values, paths, names, and what stops a launch before it starts."""

from pathlib import Path

import pytest

from app.launching.pipelines import load_pipeline, plan_pipeline
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.pipelines.file import PipelineError, read_pipeline
from engine.pipelines.pipeline import Pipeline

TEXT = """\
name: chain
inputs:
  weights: {help: where to start}
  calibrator: {default: mse}
  device: {default: 0}
  lr0: {default: null}
  size: {default: 96}
stages:
  quantize:
    uses: ptq
    options:
      weights: ${inputs.weights}
      data: data.yaml
      calibrator: ${inputs.calibrator}
      device: ${inputs.device}
      img_size: ${inputs.size}
      keep_float: ["^model\\\\.0$"]
  tune:
    uses: qat
    options: {weights: "${quantize.weights}", data: data.yaml, lr0: "${inputs.lr0}"}
  count:
    command: [ls, -l, "${tune.best}", "${run.folder}/$${HOME}"]
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "chain.yaml").write_text(TEXT)
    (tmp_path / "float.pt").touch()
    (tmp_path / "data.yaml").touch()
    return load_pipeline(tmp_path / "chain.yaml")


def plan(pipeline: Pipeline, tmp_path: Path, **overrides: object) -> list[RunSpec]:
    workspace = Workspace(tmp_path / "workspace")
    return plan_pipeline(workspace, pipeline, {"weights": "float.pt", **overrides}, cwd=tmp_path)


def test_the_plan_is_what_will_run(pipeline: Pipeline, tmp_path: Path) -> None:
    quantize, tune, count = plan(pipeline, tmp_path)
    runs = tmp_path / "workspace" / "runs"
    assert [spec.name for spec in (quantize, tune, count)] == ["chain-quantize", "chain-tune", "chain-count"]
    assert {spec.group for spec in (quantize, tune, count)} == {"chain"}
    assert (tune.parents, count.parents) == ([quantize.id], [tune.id])
    assert quantize.options["weights"] == "float.pt"  # relative to the user's directory, where the stage runs
    assert quantize.cwd == str(tmp_path)
    assert tune.options["weights"] == str(runs / quantize.id / "weights" / "ptq.pt")
    assert tune.options["lr0"] is None
    assert tune.artifacts == {"best": "weights/best.pt", "last": "weights/last.pt"}
    assert count.command[2:] == [str(runs / tune.id / "weights/best.pt"), f"{runs / count.id}/${{HOME}}"]
    assert not (tmp_path / "workspace").exists()


def test_values_take_the_type_of_the_option(pipeline: Pipeline, tmp_path: Path) -> None:
    quantize, tune, _ = plan(pipeline, tmp_path, size="128", lr0="1e-4")
    assert (quantize.options["img_size"], quantize.options["device"], tune.options["lr0"]) == (128, "0", 1e-4)
    assert quantize.options["keep_float"] == ["^model\\.0$"]
    assert "--img-size" in quantize.command


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"wieghts": "x"}, "there is no input `wieghts`; did you mean `weights`?"),
        ({"calibrator": "best"}, "chain.yaml:14: step `quantize`: `calibrator`"),
        ({"size": "many"}, "chain.yaml:16: step `quantize`: `img_size`"),
        ({"weights": "absent.pt"}, "chain.yaml:12: step `quantize`: `weights`: there is no file absent.pt"),
    ],
)
def test_a_value_that_cannot_be_stops_the_launch(
    pipeline: Pipeline, tmp_path: Path, overrides: dict[str, object], words: str
) -> None:
    with pytest.raises(YoloqatError) as caught:
        plan(pipeline, tmp_path, **overrides)
    assert words in str(caught.value)


def test_all_mistakes_of_all_steps_are_told_at_once(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        plan(pipeline, tmp_path, size="0", lr0="-1", weights="absent.pt")
    assert [mistake.line for mistake in caught.value.mistakes] == [12, 16, 20]


def test_an_input_that_must_be_given(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(YoloqatError) as caught:
        plan_pipeline(Workspace(tmp_path), pipeline, cwd=tmp_path)
    assert "`weights`: where to start" in str(caught.value)
    assert "--set weights=…" in str(caught.value)


def test_a_program_that_is_not_there_is_noticed_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("name: odd\nstages:\n  one:\n    command: [no-such-program]\n")
    with pytest.raises(PipelineError, match="there is no program 'no-such-program'"):
        plan_pipeline(Workspace(tmp_path), load_pipeline(path))


def test_a_taken_group_is_counted_up_for_all_of_its_runs(pipeline: Pipeline, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    folder = workspace.run("20260101-000000-aaaa")
    folder.path.mkdir(parents=True)
    RunSpec(id=folder.id, name="chain-tune", stage="qat").write(folder.spec)
    specs = plan_pipeline(workspace, pipeline, {"weights": "float.pt"}, cwd=tmp_path)
    assert [spec.name for spec in specs] == ["chain2-quantize", "chain2-tune", "chain2-count"]


def test_a_name_that_is_no_pipeline_lists_those_there_are() -> None:
    with pytest.raises(YoloqatError) as caught:
        load_pipeline("relu-int9")
    assert "did you mean `relu-int8`?" in str(caught.value)


def test_a_grid_is_planned_as_runs_of_one_group(tmp_path: Path) -> None:
    for name in ("float.pt", "d.yaml"):
        (tmp_path / name).write_text("x")
    path = tmp_path / "grid.yaml"
    path.write_text(
        "name: grid\nstages:\n"
        "  ptq: {uses: ptq, grid: {calibrator: [max, mse]}, options: {weights: float.pt, data: d.yaml}}\n"
        '  export: {uses: export, options: {weights: "${ptq.weights}"}}\n'
    )
    specs = plan_pipeline(Workspace(tmp_path / "w"), read_pipeline(path), cwd=tmp_path)
    assert [spec.name for spec in specs] == ["grid-ptq-max", "grid-ptq-mse", "grid-export-max", "grid-export-mse"]
    assert specs[3].parents == [specs[1].id]
    assert specs[1].id in specs[3].options["weights"]
    assert {spec.group for spec in specs} == {"grid"}


def test_a_step_says_how_often_it_is_retried_and_how_long_it_may_run(pipeline: Pipeline, tmp_path: Path) -> None:
    limits = "    retry: 3\n    time_limit: 12h\n"
    (tmp_path / "chain.yaml").write_text(TEXT.replace("    uses: qat\n", f"    uses: qat\n{limits}"))
    limited = load_pipeline(tmp_path / "chain.yaml")
    assert [(spec.retry, spec.time_limit) for spec in plan(limited, tmp_path)] == [(0, 0.0), (3, 43200.0), (0, 0.0)]
    with pytest.raises(PipelineError, match=r"chain\.yaml:\d+: step `tune`: `retry` applies to this machine only"):
        plan_pipeline(Workspace(tmp_path), limited, {"weights": "float.pt"}, cwd=tmp_path, executor="slurm")


def test_a_time_limit_that_is_none_is_told_with_its_line(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "chain.yaml").write_text(TEXT.replace("    uses: qat\n", "    uses: qat\n    time_limit: 90\n"))
    with pytest.raises(PipelineError, match=r"chain\.yaml:20: .*'90' is not a duration; write it like 12h"):
        load_pipeline(tmp_path / "chain.yaml")
