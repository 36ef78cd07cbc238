"""Data set YAMLs: what is read, and what is said about mistakes."""

from pathlib import Path

import pytest

from engine.contracts.errors import YoloqatError
from engine.data.config import load_data_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set" / "images" / "val").mkdir(parents=True)
    (tmp_path / "set" / "images" / "train").mkdir()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "data.yaml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_yaml(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(folder / "set", "train: images/train\nval: ./images/val\nnc: 2\nnames: [cat, dog]\n")
    monkeypatch.chdir("/")
    config = load_data_config(path)
    assert config.train == (folder / "set" / "images" / "train",)
    assert config.val == (folder / "set" / "images" / "val",)
    assert config.test == ()
    assert config.names == ("cat", "dog")
    assert len(config.sha) == 64


def test_path_key_names_in_a_mapping_and_lists_of_folders(folder: Path) -> None:
    path = write(
        folder, "path: set\ntrain: [images/train, images/val]\nval: images/val\nnames: {1: dog, 0: cat}\nextra: 1\n"
    )
    config = load_data_config(path)
    assert [source.name for source in config.train] == ["train", "val"]
    assert (config.nc, config.names) == (2, ("cat", "dog"))


def test_what_is_not_beside_the_yaml_is_looked_for_in_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data").mkdir()
    path = write(folder / "data", "train: ./set/images/train\nval: ./set/images/val\nnc: 1\n")
    monkeypatch.chdir(folder)
    assert load_data_config(path).val == (folder / "set" / "images" / "val",)


def test_a_missing_yaml_falls_back_to_ours_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train2017.txt", "val2017.txt"):
        (tmp_path / "coco").mkdir(exist_ok=True)
        (tmp_path / "coco" / name).write_text("./images/1.jpg\n")
    monkeypatch.chdir(tmp_path)
    config = load_data_config("data/coco.yaml")
    assert capsys.readouterr().out == "data/coco.yaml is not here: using our configs/data/coco.yaml\n"
    assert (config.nc, config.names[0], config.names[79]) == (80, "person", "toothbrush")
    assert config.train == (tmp_path / "coco" / "train2017.txt",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: nowhere\nval: set/images/val\nnc: 1\n", ["`train`", "nowhere", "does not exist"]),
        ("train: set/images/train\nnc: 1\n", ["no split `val:`"]),
        ("train: set/images/train\nval: set/images/val\nnc: 3\nnames: [a, b]\n", ["`nc` is 3", "2 entries"]),
        ("train: set/images/train\nval: set/images/val\n", ["neither `names` nor `nc`"]),
        ("train: set/images/train\nval: set/images/val\nnc: two\n", ["'two'", "`nc`"]),
        ("train: set/images/train\nval: set/images/val\nnames: {1: a, 2: b}\n", ["0 to 1"]),
        ("train: 5\nval: set/images/val\nnc: 1\n", ["`train` must be", "5"]),
        ("train: [a\nval: b\n", ["data.yaml:2", "not valid YAML"]),
        ("just words\n", ["needs the keys"]),
    ],
)
def test_mistakes_are_named(folder: Path, text: str, words: list[str]) -> None:
    with pytest.raises(YoloqatError) as raised:
        load_data_config(write(folder, text))
    message = str(raised.value)
    assert "data.yaml" in message
    assert raised.value.hint
    for word in words:
        assert word in message


def test_a_missing_yaml_without_a_namesake_lists_ours(tmp_path: Path) -> None:
    with pytest.raises(YoloqatError, match="coco"):
        load_data_config(tmp_path / "absent.yaml")


def test_a_binary_file_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_bytes(b"\x93\xff\x00\x80")
    with pytest.raises(YoloqatError, match="not a text file"):
        load_data_config(path)


def test_only_the_splits_that_are_needed_must_be_there(folder: Path) -> None:
    path = write(folder, "train: nowhere\nval: set/images/val\nnc: 1\n")
    config = load_data_config(path, splits=("val",))
    assert config.sources("val")
    with pytest.raises(YoloqatError, match="nowhere"):
        config.sources("train")
