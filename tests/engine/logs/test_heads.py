"""Where a training begins in a log that may hold several."""

import pytest

from engine.logs.training_boundaries import training_starts

BANNER = "YOLOR 🚀 v0.1-128-ga207844 torch 1.12.1 CUDA:0 (Tesla T4, 15109.75MB)"
YOLOV7 = "Namespace(weights='yolov7.pt', cfg='a.yaml', epochs=3, save_dir='runs/exp')"
YOLOV5 = "\x1b[34m\x1b[1mtrain: \x1b[0mweights=yolov5s.pt, cfg=, data=coco.yaml, epochs=3, name=exp"
ULTRALYTICS = "engine/trainer: task=detect, mode=train, data=a.yaml, epochs=100, save_dir=runs/detect/train"


def starts(*lines: str, end: str = "\n") -> list[str]:
    """The lines that the offsets point at."""
    data = "".join(line + end for line in lines).encode()
    return [data[at:].decode().splitlines()[0] for at in training_starts(data)]


@pytest.mark.parametrize("line", [YOLOV7, YOLOV5, ULTRALYTICS, f"training args are: {YOLOV7}", f"[rank0]: {YOLOV7}"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_options_with_epochs(line: str, end: str) -> None:
    assert starts("before", line, "after", end=end) == [line]


def test_the_banner_above_belongs_to_it() -> None:
    assert starts("last line", "nohup: ignoring input", BANNER, "", YOLOV7, "after") == ["nohup: ignoring input"]
    assert starts("Resuming training from a.pt", BANNER, "", YOLOV7) == ["Resuming training from a.pt"]
    assert starts(BANNER, *["line"] * 9, YOLOV7) == [YOLOV7]


@pytest.mark.parametrize(
    "line",
    [
        "Namespace(weights=['best.pt'], task='val', batch_size=32)",
        "val: data=coco.yaml, weights=['best.pt'], batch_size=32",
        "the weights=3, epochs=3",
        BANNER,
    ],
)
def test_what_begins_no_training(line: str) -> None:
    assert starts("before", line, "after") == []


def test_each_line_once_and_in_their_order() -> None:
    assert starts(YOLOV5, "a", YOLOV7, "b", YOLOV5) == [YOLOV5, YOLOV7, YOLOV5]


@pytest.mark.parametrize("data", [b"", b"weights=" * 100_000, b"Namespace(\r" * 10_000, b"\x00" * 1000 + b"Namespace("])
def test_hostile_bytes(data: bytes) -> None:
    assert list(training_starts(data)) == []
