"""Input that cannot be used: exit code 2 and one message that says what, where, and what to do."""

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from engine.models.config import MODELS_FOLDER
from engine.train.hyp import load_hyp
from tests.engine.stages.toy import SIZE, TRAINING, arguments, environment, refusal, run_stage

POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 37622682\n"
)
Refuse = Callable[..., str]


@pytest.fixture
def train(toy_data: Path, tmp_path: Path) -> Refuse:
    """The message with which `retrain` refuses these options."""
    return lambda **changed: refusal(
        "retrain", tmp_path / "run", *arguments({**TRAINING, "--hyp": "hyp.shapes.yaml", "--data": toy_data, **changed})
    )


@pytest.fixture
def evaluate(toy_data: Path, tmp_path: Path) -> Refuse:
    """The message with which `evaluate` refuses these weights."""
    return lambda weights: refusal(
        "evaluate", tmp_path / "run", "--weights", weights, "--data", toy_data, "--img-size", SIZE, "--workers", 0
    )


class Harmful:
    """Unpickled by the book, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.mkdir, (str(self.folder),)


def test_a_data_set_whose_folder_is_missing(train: Refuse, toy_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.yaml"
    data.write_text(yaml.safe_dump({**yaml.safe_load(toy_data.read_text()), "train": "nowhere/images"}))
    assert train(**{"--data": data}) == (
        f"{data}: `train` names {tmp_path}/nowhere/images, which does not exist\n"
        "  Correct `train:` (paths are relative to the YAML file, or to its `path:`), or put the data set there."
    )


def test_labels_and_images_with_mistakes_are_told_together(train: Refuse, toy_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(toy_data.parent, root)
    images = sorted((root / "images" / "train").iterdir())
    labels = [root / "labels" / "train" / f"{image.stem}.txt" for image in images]
    labels[3].write_text("0 0.5 0.5 0.2 0.2\n4 0.5 0.5 0.2 0.2\n")
    labels[5].write_text("0 0.5 0.5 0.2\n")
    labels[7].write_text("0 0.5 half 0.2 0.2\n")
    labels[8].write_text("0 0.5 1.5 0.2 0.2\n")
    images[10].write_text("no image")
    images[12].write_bytes(images[12].read_bytes()[:200])
    message = train(**{"--data": root / toy_data.name})
    head, *told, hint = message.splitlines()
    assert head == f"{root / toy_data.name}: 6 mistakes in the images and labels of `train`:"
    assert told[:-1] == [
        f"  {labels[3]}:2: class 4 is out of range: the data set has 4 classes (0 to 3)",
        f"  {labels[5]}:1: 4 columns; a box has 5 (class cx cy w h), a polygon has an odd number from 7 on "
        "(class x1 y1 …)",
        f"  {labels[7]}:1: not all of '0 0.5 half 0.2 0.2' are numbers",
        f"  {labels[8]}:1: coordinates must lie between 0 and 1 (fractions of the image's width and height)",
        f"  {images[10]}: not an image",
    ]
    assert told[-1].startswith(f"  {images[12]}: the image cannot be read: ")
    assert hint.startswith("  Correct or remove these files")


def test_a_model_file_with_an_unknown_module(train: Refuse, tmp_path: Path) -> None:
    cfg = tmp_path / "mine.yaml"
    cfg.write_text((MODELS_FOLDER / "yolov7-tiny.yaml").read_text().replace("Concat", "os.getcwd", 1))
    message = train(**{"--cfg": cfg})
    assert message.startswith(f"{cfg}, layer ")
    assert "unknown module 'os.getcwd'\n  Known modules: Conv, " in message


def test_a_hyperparameter_that_does_not_exist(train: Refuse, tmp_path: Path) -> None:
    hyp = tmp_path / "hyp.yaml"
    hyp.write_text(yaml.safe_dump({**load_hyp("hyp.shapes.yaml"), "learning_rate": 0.1, "mosaic": "often"}))
    assert train(**{"--hyp": hyp}) == (
        f"{hyp}: unknown: learning_rate; not a number: mosaic: 'often'\n"
        "  configs/hyp/hyp.scratch.p5.yaml names every key."
    )


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--img-size", 0, "--img-size 0: images must have at least 32 pixels a side"),
        ("--freeze", 78, "--freeze 78 leaves nothing to train\n  The model has the layers 0 to 77."),
    ],
)
def test_a_training_that_cannot_be(option: str, value: int, what: str, train: Refuse) -> None:
    assert train(**{option: value}) == what


def test_quantized_weights_are_not_retrained(train: Refuse, toy_ptq: Path) -> None:
    message = train(**{"--weights": toy_ptq})
    assert message.startswith(f"{toy_ptq}: these weights are quantized, and `retrain` trains float models\n  Give the")


def test_weights_that_were_left_at_the_server(evaluate: Refuse, tmp_path: Path) -> None:
    weights = tmp_path / "yolov7.pt"
    weights.write_text(POINTER)
    message = evaluate(weights)
    assert message == (
        f"{weights}: this is a Git LFS pointer of {len(POINTER)} bytes, not the weights\n"
        "  Run `git lfs pull`, or download the file itself."
    )


@pytest.mark.parametrize("name", ["missing.pt", "missing.onnx"])
def test_weights_that_are_not_there(name: str, evaluate: Refuse, tmp_path: Path) -> None:
    message = evaluate(tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: ")
    assert "\n  " in message


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_weights_that_are_cut_off(suffix: str, evaluate: Refuse, toy_float: Path, tmp_path: Path) -> None:
    weights = tmp_path / f"cut{suffix}"
    weights.write_bytes(toy_float.read_bytes()[:100_000])
    message = evaluate(weights)
    if suffix == ".pt":
        assert message.startswith(f"{weights}: the file is truncated after 100000 bytes: ")
        assert "\n  Download or copy it again" in message
    else:
        assert message.startswith(f"{weights}: ONNX Runtime cannot open this file: ")
        assert "\n  Export it again" in message


@pytest.mark.parametrize(
    ("name", "what"),
    [("yolov7-lfs-pointer.pt", "this is a Git LFS pointer"), ("yolov7-tiny-truncated.pt", "the file is truncated")],
)
def test_damaged_files_of_the_original(name: str, what: str, evaluate: Refuse, shared: Path) -> None:
    weights = shared / "data" / "weights-bad" / name
    if not weights.is_file():
        pytest.skip(f"{weights.name} is absent from ../shared/data/weights-bad")
    assert evaluate(weights).startswith(f"{weights}: {what}")


def test_a_pickle_that_runs_code_is_not_run(evaluate: Refuse, tmp_path: Path) -> None:
    proof, weights = tmp_path / "it ran", tmp_path / "kind.pt"
    torch.save({"model": Harmful(proof)}, weights)
    message = evaluate(weights)
    assert message.startswith(
        f"{weights}: the file's pickle names posix.mkdir, which does not belong in a checkpoint; "
    )
    assert "\n  Do not load this file elsewhere" in message
    assert not proof.exists()
    with weights.open("rb") as file, pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)
    torch.load(weights, weights_only=False)
    assert proof.is_dir(), "the file of this test does no harm in the first place"


def test_a_bare_pickle_is_not_even_opened(evaluate: Refuse, tmp_path: Path) -> None:
    proof, weights = tmp_path / "it ran", tmp_path / "kind.pt"
    weights.write_bytes(pickle.dumps({"model": Harmful(proof)}))
    assert evaluate(weights).startswith(
        f"{weights}: this is not a PyTorch checkpoint (no zip archive)\n  Expected a .pt"
    )
    assert not proof.exists()


def test_options_are_refused_without_waiting_for_torch(tmp_path: Path) -> None:
    given = ("retrain", tmp_path / "run", "--epochs", 0, "--lr0", 1)
    done = run_stage(*given)
    assert (done.code, "unrecognized arguments: --lr0 1" in done.log) == (2, True)
    message = refusal(*given[:-2])
    assert message == "--epochs: Input should be greater than or equal to 1 (got '0')\n  See --help for every option."
    code = "import sys, engine.stages.cli as cli; cli.build_parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0


def test_several_processes_are_refused(train: Refuse, toy_data: Path, tmp_path: Path) -> None:
    message = refusal("retrain", tmp_path / "run", "--data", toy_data, "--cfg", "yolov7-tiny", WORLD_SIZE="2")
    assert message == (
        "WORLD_SIZE=2: a stage runs as one process on one device; training on several devices is not supported\n"
        "  Start it without torchrun, or unset WORLD_SIZE; --device chooses the GPU."
    )
    assert not (tmp_path / "run").exists()
    message = train(**{"--device": "0,1"})
    assert message.startswith("--device 0,1: a stage runs as one process on one device; ")
