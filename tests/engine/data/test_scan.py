"""Scanning: what is accepted, what is told, and when the cache counts."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.contracts.errors import YoloqatError
from engine.data.config import load_data_config
from engine.data.scanning.label_cache import SUFFIX
from engine.data.scanning.labeled import LabeledImages
from engine.data.scanning.scan import scan
from tests.engine.data.conftest import MakeData

BOX = "1 0.5 0.5 0.2 0.4\n"


def scanned(yaml: Path) -> LabeledImages:
    return scan(load_data_config(yaml), "train")


def mistakes(yaml: Path) -> str:
    with pytest.raises(YoloqatError) as raised:
        scanned(yaml)
    assert raised.value.hint
    return str(raised.value)


def test_boxes_backgrounds_and_the_bar(make_data: MakeData, capsys: pytest.CaptureFixture[str]) -> None:
    found = scanned(make_data({"a": BOX, "b": "", "c": None, "d": BOX + "0 0.1 0.1 0.1 0.1\n"}))
    assert [len(found.labels(i)) for i in range(4)] == [1, 0, 0, 2]
    np.testing.assert_allclose(found.labels(3)[1], [0, 0.1, 0.1, 0.1, 0.1], rtol=1e-6)
    assert found.sizes.tolist() == [[64, 48]] * 4
    bar = capsys.readouterr().err.split("\r")[-1]
    assert "images and labels... 3 found, 1 missing, 1 empty, 0 corrupted: 100%|" in bar
    assert bar.startswith("train: Scanning '")


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (BOX + "3 0.5 0.5 0.1 0.1\n", ":2:", "class 3 is out of range: the data set has 3 classes (0 to 2)"),
        ("-1 0.5 0.5 0.1 0.1\n", ":1:", "class must be a whole number"),
        ("0.5 0.5 0.5 0.1 0.1\n", ":1:", "class must be a whole number"),
        ("\n\n1 0.5 0.5 0.1\n", ":3:", "4 columns"),
        ("1 0.5 0.5 0.1 0.1 0.9\n", ":1:", "6 columns"),
        ("1 0.1 0.1 0.5 0.1 0.5 0.5 0.1\n", ":1:", "8 columns"),
        ("1 0.5 0.5 x 0.1\n", ":1:", "are numbers"),
        ("1 0.5 0.5 1.2 0.1\n", ":1:", "between 0 and 1"),
        ("1 0.5 -0.5 0.2 0.1\n", ":1:", "between 0 and 1"),
        ("1 nan 0.5 0.2 0.1\n", ":1:", "between 0 and 1"),
        ("1 120 88 40 30\n", ":1:", "fractions"),
    ],
)
def test_a_wrong_row_is_told_with_file_and_line(make_data: MakeData, text: str, where: str, words: str) -> None:
    message = mistakes(make_data({"good": BOX, "wrong": text}))
    assert f"wrong.txt{where}" in message
    assert words in message
    assert "data.yaml" in message


def test_mistakes_are_told_together_ten_at_most(make_data: MakeData, capsys: pytest.CaptureFixture[str]) -> None:
    message = mistakes(make_data({f"{i:02d}": "9 0.5 0.5 0.1 0.1\n" for i in range(13)}))
    assert "13 found, 0 missing, 0 empty, 13 corrupted" in capsys.readouterr().err
    assert "13 mistakes" in message
    assert message.count(".txt:1:") == 10
    assert "and 3 more" in message


def test_unreadable_images_are_named(make_data: MakeData) -> None:
    yaml = make_data({name: BOX for name in ("empty", "text", "cut_png", "fine", "tiny")})
    folder = yaml.parent / "images" / "train"
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    whole = (folder / "cut_png.png").read_bytes()
    (folder / "cut_png.png").write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(folder / "tiny.png"), np.zeros((8, 40, 3), np.uint8))
    message = mistakes(yaml)
    assert "4 mistakes" in message
    for words in ("empty.png: the file is empty", "text.png: not an image", "cut_png.png", "only 40×8 pixels"):
        assert words in message
    assert "fine.png" not in message


def test_a_truncated_jpeg_is_found_and_one_with_a_tail_is_accepted(make_data: MakeData) -> None:
    yaml = make_data({"cut": BOX, "tail": BOX}, suffix=".jpg")
    cut, tail = (yaml.parent / "images" / "train" / f"{name}.jpg" for name in ("cut", "tail"))
    tail.write_bytes(tail.read_bytes() + b"appended by a camera")
    assert len(scanned(yaml)) == 2
    cut.write_bytes(cut.read_bytes()[:-200])
    message = mistakes(yaml)
    assert "cut.jpg" in message
    assert "tail.jpg" not in message


def test_a_list_that_names_a_missing_image(make_data: MakeData) -> None:
    yaml = make_data({"a": BOX})
    (yaml.parent / "list.txt").write_text("./images/train/a.png\n\n./images/train/gone.png\n")
    yaml.write_text("train: list.txt\nval: list.txt\nnc: 3\n")
    message = mistakes(yaml)
    assert "gone.png: the image does not exist" in message


def test_an_empty_folder_is_told(make_data: MakeData) -> None:
    assert "`train` has no image" in mistakes(make_data({}))


def test_duplicate_rows_are_left_out_with_a_warning(make_data: MakeData, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = make_data({"a": BOX + "0 0.1 0.1 0.1 0.1\n" + BOX})
    assert scanned(yaml).labels(0)[:, 0].tolist() == [1, 0]
    scanned(yaml)
    assert capsys.readouterr().out.count("a.txt: 1 duplicate rows left out") == 2, "also when it comes from the cache"


def test_polygons_and_boxes_may_stand_in_one_file(make_data: MakeData) -> None:
    found = scanned(make_data({"a": "2 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6\n" + BOX, "b": BOX}))
    np.testing.assert_allclose(found.labels(0)[0], [2, 0.3, 0.4, 0.4, 0.4], rtol=1e-6)
    assert [len(p) for p in found.polygons(0)] == [4, 0]
    assert [len(p) for p in found.polygons(1)] == [0]


def test_exif_rotation_swaps_width_and_height(make_data: MakeData) -> None:
    yaml = make_data({"a": BOX}, suffix=".jpg")
    path = yaml.parent / "images" / "train" / "a.jpg"
    with Image.open(path) as image:
        exif = image.getexif()
        exif[274] = 6
        image.save(path, exif=exif)
    assert scanned(yaml).sizes.tolist() == [[48, 64]]
    decoded = cv2.imread(str(path))
    assert decoded is not None
    assert decoded.shape[:2] == (64, 48)


def cache_of(yaml: Path) -> Path:
    return yaml.parent / "labels" / f"train{SUFFIX}"


def test_the_cache_is_used_until_something_changes(make_data: MakeData, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = make_data({"a": BOX, "b": "2 0.1 0.2 0.5 0.2 0.5 0.6\n"})
    first = scanned(yaml)
    capsys.readouterr()
    again = scanned(yaml)
    assert f"Scanning '{cache_of(yaml)}'" in capsys.readouterr().err
    np.testing.assert_array_equal(first.label_rows, again.label_rows)
    np.testing.assert_array_equal(first.polygons(1)[0], again.polygons(1)[0])
    assert first.digest == again.digest

    label = yaml.parent / "labels" / "train" / "a.txt"
    status = label.stat()
    label.write_text("0 0.5 0.5 0.2 0.4\n")
    os.utime(label, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    changed = scanned(yaml)
    assert changed.labels(0)[0, 0] == 0
    assert changed.digest != first.digest

    (yaml.parent / "labels" / "train" / "a.txt").unlink()
    assert scanned(yaml).missing == 1


def test_fewer_classes_are_noticed_in_spite_of_the_cache(make_data: MakeData) -> None:
    yaml = make_data({"a": BOX})
    scanned(yaml)
    yaml.write_text(yaml.read_text().replace("nc: 3", "nc: 1"))
    assert "class 1 is out of range" in mistakes(yaml)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"PK\x03\x04 half a zip"])
def test_a_damaged_cache_is_made_anew(make_data: MakeData, damage: bytes) -> None:
    yaml = make_data({"a": BOX})
    expected = scanned(yaml).digest
    cache_of(yaml).write_bytes(damage)
    assert scanned(yaml).digest == expected
    assert cache_of(yaml).stat().st_size > 100


def test_a_cache_with_changed_content_is_not_trusted(make_data: MakeData) -> None:
    yaml = make_data({"a": BOX})
    expected = scanned(yaml).label_rows.copy()
    with np.load(cache_of(yaml)) as stored:
        arrays = dict(stored)
    arrays["label_rows"] = arrays["label_rows"] + 0.1
    np.savez(cache_of(yaml), **arrays)
    np.testing.assert_array_equal(scanned(yaml).label_rows, expected)


def test_a_read_only_folder_goes_without_a_cache(make_data: MakeData) -> None:
    yaml = make_data({"a": BOX})
    labels = yaml.parent / "labels"
    labels.chmod(0o555)
    try:
        assert len(scanned(yaml)) == 1
        assert not cache_of(yaml).exists()
    finally:
        labels.chmod(0o755)


def test_the_digest_depends_on_content_not_on_place(
    make_data: MakeData, tmp_path_factory: pytest.TempPathFactory
) -> None:
    yaml = make_data({"a": BOX, "b": ""})
    first = scanned(yaml)
    moved = tmp_path_factory.mktemp("elsewhere") / "set"
    yaml.parent.rename(moved)
    assert scanned(moved / "data.yaml").digest == first.digest
    assert first.subset([1, 0]).digest == first.digest
    assert first.subset([0]).digest != first.digest


def test_a_folder_called_images_above_the_data_set(make_data: MakeData, tmp_path: Path) -> None:
    yaml = make_data({"a": BOX})
    outer = tmp_path.parent / f"{tmp_path.name}_outer" / "images" / "project"
    outer.parent.mkdir(parents=True)
    yaml.parent.rename(outer)
    assert len(scanned(outer / "data.yaml").label_rows) == 1
