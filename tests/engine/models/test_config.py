"""What a user's model file may get wrong."""

from pathlib import Path

import pytest

from engine.contracts.errors import YoloqatError
from engine.models.config import load_model_config
from engine.models.yolo import build_model

GOOD = """
nc: 2
anchors: [[10, 13, 16, 30, 33, 23]]
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
head:
  - [[0], 1, Detect, [nc, anchors]]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_in_the_originals_dialect_is_built(tmp_path: Path) -> None:
    model = build_model(load_model_config(write(tmp_path, GOOD)))
    assert model.stride.tolist() == [2.0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Conv,", "Convv,", "unknown module 'Convv'"),
        ("[8, 3, 2]", "[8, 3, 2, 0, 1, 2, 3]", "Conv does not take the arguments"),
        ("[8, 3, 2]", "['__import__(\"os\").abort()']", "Conv does not take the arguments"),
        ("[[0], 1", "[[7], 1", "does not point to an earlier layer"),
        ("nc: 2\n", "", "lacks nc"),
        ("Detect", "Conv", "not a detection head"),
        ("[[10, 13, 16, 30, 33, 23]]", "[[10, 13, 16]]", "anchors"),
        ("- [-1, 1, Conv, [8, 3, 2]]", "- [-1, Conv]", "a row must be"),
    ],
)
def test_a_mistake_is_told_with_file_and_layer(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(YoloqatError) as caught:
        build_model(load_model_config(path))
    assert says in str(caught.value)
    assert "mine" in str(caught.value)


def test_the_originals_path_falls_back_to_ours_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_model_config("cfg/training/yolov7.yaml").layers == load_model_config("yolov7").layers
    assert "using our configs/models/yolov7.yaml" in capsys.readouterr().out


def test_an_unknown_model_lists_those_there_are() -> None:
    with pytest.raises(YoloqatError, match="yolov7-tiny"):
        load_model_config("cfg/training/yolov8.yaml")
