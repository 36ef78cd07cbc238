"""What we ship can be launched."""

from pathlib import Path

import pytest

from app.launching.pipelines import list_pipelines, load_pipeline, plan_pipeline
from engine.contracts.run_folder import Workspace
from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "configs" / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_pipeline_checks_clean_and_plans(path: Path, tmp_path: Path) -> None:
    """Planning looks for every file that a step names, so that what it needs of `configs` must be shipped, too."""
    (tmp_path / "float.pt").touch()
    pipeline = load_pipeline(path)
    assert pipeline.name == path.stem
    assert pipeline.description
    given = {"weights": "float.pt", "data": "coco.yaml"}
    required = {name: given[name] for name, value in pipeline.inputs.items() if value.is_required}
    specs = plan_pipeline(Workspace(tmp_path), pipeline, required, cwd=tmp_path)
    assert [spec.step for spec in specs] == pipeline.order()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_steps_of_a_pipeline_are_evaluated_alike(path: Path) -> None:
    """Else the chain would end in `≠eval` where users want the drop."""
    pipeline = load_pipeline(path)
    steps = [step for step in pipeline.stages.values() if step.uses not in (None, "shapes", "benchmark")]
    assert {step.options.get("letterbox") for step in steps} == {"square"}
    data = {str(step.options["data"]) for step in steps}
    assert len(data) == 1


def test_every_input_says_what_it_is_for() -> None:
    for summary in list_pipelines():
        for name, given in load_pipeline(summary.path).inputs.items():
            assert given.help, f"{summary.name}: {name}"


def test_the_demo_needs_nothing_from_its_user() -> None:
    assert not any(given.is_required for given in load_pipeline("demo").inputs.values())


def test_the_pipeline_of_the_manual_is_a_sound_one(tmp_path: Path) -> None:
    manual = (REPOSITORY / "docs" / "pipelines.md").read_text(encoding="utf-8")
    path = tmp_path / "my-chain.yaml"
    blocks = [block.partition("```")[0] for block in manual.split("```yaml\n")[1:]]
    path.write_text(next(block for block in blocks if "stages:" in block))
    assert load_pipeline(path).order() == ["ptq", "qat", "report"]
