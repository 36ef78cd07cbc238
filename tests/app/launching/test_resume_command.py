"""The command line that goes on, by whose trainer it is."""

from pathlib import Path

import pytest

from app.launching.resume_command import resume_command
from engine.contracts.errors import YoloqatError

TOLD = b"hyperparameters: lr0=0.01\nLogging results to \x1b[1mruns/train/exp3\x1b[0m\n     Epoch   gpu_mem\n"


@pytest.fixture
def console(tmp_path: Path) -> Path:
    path = tmp_path / "console.log"
    path.write_bytes(TOLD)
    weights = tmp_path / "runs" / "train" / "exp3" / "weights"
    weights.mkdir(parents=True)
    (weights / "last.pt").touch()
    return path


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("python train.py --epochs 30 --weights yolov7.pt", "python train.py --resume LAST"),
        ("python -u yolov7/train_aux.py --cfg w6.yaml", "python -u yolov7/train_aux.py --resume LAST"),
        ("python train_dual.py --cfg yolov9-c.yaml", "python train_dual.py --resume LAST"),
        (
            "python -m torch.distributed.run --nproc_per_node 2 train.py --device 0,1",
            "python -m torch.distributed.run --nproc_per_node 2 train.py --resume LAST",
        ),
        ("torchrun --nproc_per_node=2 train.py --batch 64", "torchrun --nproc_per_node=2 train.py --resume LAST"),
        ("yolo detect train data=coco.yaml epochs=30", "yolo train resume=True model=LAST"),
        ("/opt/venv/bin/yolo train model=yolo11n.pt", "/opt/venv/bin/yolo train resume=True model=LAST"),
    ],
)
def test_it_goes_on_from_the_last_checkpoint(tmp_path: Path, console: Path, argv: str, expected: str) -> None:
    found = resume_command(argv.split(), tmp_path, console)
    last = tmp_path / "runs/train/exp3/weights/last.pt"
    assert found.checkpoint == last
    assert found.argv == expected.replace("LAST", str(last)).split()


@pytest.mark.parametrize("argv", ["python detect.py", "sh -c 'python train.py'", "yolo detect predict", "./train.sh"])
def test_another_command_cannot_be_resumed_and_says_why(tmp_path: Path, console: Path, argv: str) -> None:
    words = ["sh", "-c", "python train.py"] if argv.startswith("sh") else argv.split()
    with pytest.raises(YoloqatError, match="cannot resume: this command is not a trainer that can be resumed"):
        resume_command(words, tmp_path, console)


def test_what_is_missing_is_named(tmp_path: Path, console: Path) -> None:
    argv = ["python", "train.py"]
    (tmp_path / "runs/train/exp3/weights/last.pt").unlink()
    with pytest.raises(YoloqatError, match=r"it has left no last\.pt") as caught:
        resume_command(argv, tmp_path, console)
    assert caught.value.where == str(tmp_path / "runs/train/exp3/weights/last.pt")
    assert resume_command(argv, tmp_path, console, must_exist=False).checkpoint == Path(str(caught.value.where))
    console.write_bytes(b"Namespace(epochs=30)\n")
    with pytest.raises(YoloqatError, match="its log does not tell its results folder"):
        resume_command(argv, tmp_path, console)
