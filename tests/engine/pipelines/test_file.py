"""A pipeline file is checked as a whole: each mistake is told with its line, and nothing is guessed."""

from pathlib import Path

import pytest

from engine.contracts.errors import YoloqatError
from engine.pipelines.file import PipelineError, read_pipeline
from engine.pipelines.pipeline import Pipeline, Reference, substitute

SOUND = """\
name: sound
inputs:
  weights: {help: where to start}
  epochs: {default: 3}
stages:
  train:
    uses: retrain
    options:
      weights: ${inputs.weights}
      data: coco.yaml
      epochs: ${inputs.epochs}
  count:
    command: [python, count.py, "${train.best}", --to, "${run.folder}/count.txt"]
    artifacts: {count: count.txt}
  quantize:
    uses: ptq
    options: {weights: "${train.best}", data: coco.yaml}
    needs: [count]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    return path


def mistakes(tmp_path: Path, text: str) -> list[tuple[int, str]]:
    with pytest.raises(PipelineError) as caught:
        read_pipeline(write(tmp_path, text))
    return [(mistake.line, mistake.text) for mistake in caught.value.mistakes]


def test_a_sound_file_gives_steps_in_an_order_that_can_run(tmp_path: Path) -> None:
    pipeline = read_pipeline(write(tmp_path, SOUND))
    assert pipeline.order() == ["train", "count", "quantize"]
    assert pipeline.stages["quantize"].parents() == ["train", "count"]
    assert pipeline.inputs["weights"].is_required
    assert not pipeline.inputs["epochs"].is_required


def test_the_kind_of_an_input_follows_from_the_option_that_takes_it(tmp_path: Path) -> None:
    text = SOUND.replace("      data: coco.yaml\n      epochs", "      act: ${inputs.act}\n      epochs").replace(
        "stages:", "  act: {default: relu}\nstages:"
    )
    pipeline = read_pipeline(write(tmp_path, text))
    assert pipeline.kind_of("epochs") == ("int", ())
    assert pipeline.kind_of("weights") == ("text", ())
    kind, choices = pipeline.kind_of("act")
    assert kind == "choice"
    assert "relu" in choices


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("inputs:", "input:", 2, "no key `input`; did you mean `inputs`?"),
        ("    uses: retrain", "    use: retrain", 7, "no key `use`; did you mean `uses`?"),
        ("uses: retrain", "uses: retrian", 7, "no stage `retrian`; did you mean `retrain`?"),
        ("      data: coco.yaml\n", "      date: coco.yaml\n", 10, "no option `date`; did you mean `data`?"),
        ("${inputs.epochs}", "${inputs.epoch}", 11, "no input `epoch`; did you mean `epochs`?"),
        ("${run.folder}/count.txt", "${tain.best}", 13, "no step `tain`; did you mean `train`?"),
        ("${run.folder}/count.txt", "${train.onnx}", 13, "step `train` leaves no `onnx`; there are: best, last"),
        ("${run.folder}/count.txt", "${count.count}", 13, "cannot refer to itself"),
        ("${run.folder}/count.txt", "${train}", 13, "`${train}` is no reference"),
        ("needs: [count]", "needs: [cuont]", 18, "no step `cuont`; did you mean `count`?"),
        ("epochs: {default: 3}", "epochs: {default: many}", 11, "`epochs`: Input should be a valid integer"),
        ("epochs: {default: 3}", "epochs: {default: 0}", 11, "`epochs`: Input should be greater than or equal to 1"),
        ("      epochs: ${inputs.epochs}\n", "", 4, "no step takes the input `epochs`"),
        ('{weights: "${train.best}", data: coco.yaml}', '{weights: "${train.best}"}', 15, "option `data` is missing"),
        ("artifacts: {count: count.txt}", "artifacts: {count: ../count.txt}", 14, "must lie inside the run folder"),
        ("    uses: ptq\n", "    uses: ptq\n    command: [ls]\n", 15, "either `uses` (a stage) or `command`"),
        ("  train:\n", "  inputs:\n", 6, "a step cannot be called `inputs`"),
        ("name: sound", "name: un sound", 1, "letters, digits"),
        ("name: sound\n", "", 1, "the key `name` is missing"),
        ("[python, count.py,", "[python, {a: b},", 13, "wrong type"),
        ("epochs: {default: 3}", "epochs: {default: 3}\n  epochs: {default: 4}", 5, "`epochs` is here a second time"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in SOUND
    found = mistakes(tmp_path, SOUND.replace(old, new, 1))
    assert any(at == line and words in text for at, text in found), found


def test_a_cycle_is_told_once_with_its_way_round(tmp_path: Path) -> None:
    text = SOUND.replace("weights: ${inputs.weights}", "weights: ${quantize.weights}").replace(
        "  weights: {help: where to start}\n", ""
    )
    found = [mistake for mistake in mistakes(tmp_path, text) if "wait for one another" in mistake[1]]
    assert found == [(5, "these steps wait for one another: train → quantize → train")]


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SOUND.replace("uses: ptq", "uses: pqt").replace("data: coco.yaml\n", "date: coco.yaml\n")
    lines = [line for line, _ in mistakes(tmp_path, text)]
    assert lines == sorted(lines)
    assert len(lines) >= 2
    with pytest.raises(PipelineError) as caught:
        read_pipeline(tmp_path / "pipeline.yaml")
    for line in lines:
        assert f"pipeline.yaml:{line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: [", "pipeline.yaml:1"),
        (b"name: x\nstages: !!python/object/apply:os.system [ls]\n", "pipeline.yaml:2"),
        (b"stages: &a\n  x: *a\nname: x\n", "an alias refers to itself"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"- one\n- two\n", "needs the keys `name` and `stages`"),
        (b"", "needs the keys `name` and `stages`"),
        (b"name: x\nstages:\n", "stages"),
        (b"name: x\nstages: {}\n", "there are no steps"),
    ],
)
def test_what_is_no_pipeline_ends_in_one_message(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    with pytest.raises(YoloqatError) as caught:
        read_pipeline(path)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(YoloqatError, match="No such file"):
        read_pipeline(tmp_path / "absent.yaml")


def test_a_reference_that_is_the_whole_value_keeps_its_type() -> None:
    values = {Reference("inputs", "n"): 3, Reference("train", "best"): "/runs/1/best.pt"}
    given = {"a": "${inputs.n}", "b": ["${inputs.n}", "n=${inputs.n}"], "c": "$${HOME}/${train.best}"}
    assert substitute(given, values.__getitem__) == {"a": 3, "b": [3, "n=3"], "c": "${HOME}//runs/1/best.pt"}


def test_a_pipeline_that_was_read_knows_its_lines(tmp_path: Path) -> None:
    pipeline = read_pipeline(write(tmp_path, SOUND))
    assert isinstance(pipeline, Pipeline)
    assert pipeline.line_of("stages", "train", "options", "data") == 10
    assert pipeline.line_of("stages", "train", "options", "not there") == 8
