"""A grid becomes runs: every combination once, each with the parents that it was made of."""

from pathlib import Path

import pytest

from engine.pipelines.file import PipelineError, read_pipeline
from engine.pipelines.pipeline import Pipeline

CHAIN = """\
name: chain
stages:
  ptq:
    uses: ptq
    grid:
      calibrator: [max, mse, entropy]
    options: {weights: float.pt, data: d.yaml}
  qat:
    uses: qat
    grid: {lr0: [0.001, 1.0e-4]}
    options: {weights: "${ptq.weights}", data: d.yaml}
  report:
    command: [cat, "${qat.best}", "${ptq.weights}", "$${plain.text}"]
"""


def read(tmp_path: Path, text: str) -> Pipeline:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return read_pipeline(path)


def mistakes(tmp_path: Path, text: str) -> list[tuple[int, str]]:
    with pytest.raises(PipelineError) as caught:
        read(tmp_path, text)
    return [(mistake.line, mistake.text) for mistake in caught.value.mistakes]


def test_every_combination_is_a_run_with_its_own_parents(tmp_path: Path) -> None:
    stages = read(tmp_path, CHAIN).stages
    assert [name for name in stages if name.startswith("ptq")] == ["ptq-max", "ptq-mse", "ptq-entropy"]
    assert len([name for name in stages if name.startswith("qat")]) == 6
    assert stages["ptq-mse"].options["calibrator"] == "mse"
    tuned = stages["qat-mse-0_001"]
    assert tuned.options == {"weights": "${ptq-mse.weights}", "data": "d.yaml", "lr0": 0.001}
    assert tuned.parents() == ["ptq-mse"]
    report = stages["report-mse-0_001"]
    assert report.command == ["cat", "${qat-mse-0_001.best}", "${ptq-mse.weights}", "$${plain.text}"]
    assert report.parents() == ["qat-mse-0_001", "ptq-mse"], "no report of one calibrator's QAT and another's PTQ"
    assert len(stages) == 3 + 6 + 6


def test_steps_come_after_their_parents(tmp_path: Path) -> None:
    pipeline = read(tmp_path, CHAIN)
    order = pipeline.order()
    assert len(order) == 15
    for name in order:
        assert all(order.index(parent) < order.index(name) for parent in pipeline.stages[name].parents())


def test_a_pipeline_without_grid_is_left_as_it_is(tmp_path: Path) -> None:
    text = CHAIN.replace("    grid:\n      calibrator: [max, mse, entropy]\n", "").replace(
        "    grid: {lr0: [0.001, 1.0e-4]}\n", ""
    )
    assert list(read(tmp_path, text).stages) == ["ptq", "qat", "report"]


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("calibrator: [max, mse, entropy]", "calibrater: [max, mse]", 6, "has no option `calibrater`"),
        ("calibrator: [max, mse, entropy]", "calibrator: [max, none]", 6, "`calibrator`: Input should be 'max'"),
        ("calibrator: [max, mse, entropy]", "calibrator: []", 6, "has no values"),
        ("calibrator: [max, mse, entropy]", "calibrator: [max, max]", 6, "has a value twice"),
        ("{lr0: [0.001, 1.0e-4]}", "{data: [a.yaml]}", 10, "stands in `options`, too"),
        ("{lr0: [0.001, 1.0e-4]}", "{lr0: 0.1}", 10, "should be a valid list"),
        ("${qat.best}", "${qat.worst}", 13, "step `qat` leaves no `worst`"),
    ],
)
def test_a_mistake_is_told_once_where_it_stands(tmp_path: Path, before: str, after: str, line: int, words: str) -> None:
    found = mistakes(tmp_path, CHAIN.replace(before, after))
    assert [place for place, _ in found] == [line], found
    assert words in found[0][1]


def test_a_grid_that_is_a_slip_is_refused(tmp_path: Path) -> None:
    text = CHAIN.replace("[max, mse, entropy]", "[max, mse]").replace(
        "[0.001, 1.0e-4]", str([i / 1000 for i in range(1, 600)])
    )
    assert "more than 1000 runs" in mistakes(tmp_path, text)[0][1]
