"""What trainers print, as bytes: lines for made-up logs, and a log that holds all kinds of them."""

import json
from collections.abc import Sequence
from typing import Any

from engine.contracts.events import PREFIX
from engine.contracts.facts import Fact
from engine.logs.parser import LogParser

HEADER = ("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
VALIDATION = ("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")
COCO_AP = " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.493"
TRACEBACK = """\
Traceback (most recent call last):
  File "train.py", line 616, in <module>
    train(hyp, opt, device, tb_writer)
  File "train.py", line 371, in train
    scaler.scale(loss).backward()"""
OUT_OF_MEMORY = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 50.00 MiB (GPU 0; 7.79 GiB total capacity)"
)


def row(epoch: int, last: int = 2, loss: float = 0.05) -> str:
    """The training line of an epoch, without its bar."""
    return ("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/{last}", "7.5G", loss, 0.02, 0.01, loss + 0.03, 132, 640)


def bar(done: int, total: int, clock: str = "00:10<00:05", rate: str = "3.41it/s") -> str:
    """A progress bar of tqdm."""
    return f"{100 * done // total:3d}%|{'#' * 10}| {done}/{total} [{clock},  {rate}]"


def metrics(name: str, *values: float, labels: int = 900) -> str:
    """The row of a validation."""
    return ("%20s" + "%12i" * 2 + "%12.3g" * len(values)) % (name, 128, labels, *values)


def event(name: str, /, **fields: Any) -> str:
    """A line of ours."""
    return PREFIX + json.dumps({"event": name, **fields})


def log(*lines: str, end: str = "\n") -> bytes:
    """The lines as a file."""
    return "".join(line + end for line in lines).encode()


def read(data: bytes, parser: LogParser | None = None) -> list[Fact]:
    """The facts of a whole log."""
    parser = parser or LogParser()
    return parser.feed(data) + parser.finish()


def only(kind: type, facts: Sequence[Fact]) -> list[Any]:
    """The facts of one kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


ALL_KINDS = (
    log(
        "YOLOR \U0001f680 v0.1-70 torch 1.12.1 CUDA:0 (Tesla T4, 14910.375MB)",
        "\x1b[34m\x1b[1mhyperparameters: \x1b[0mlr0=0.01, lrf=0.1",
        "Model Summary: 415 layers, 37201950 parameters, 37201950 gradients, 105.1 GFLOPS",
        "Starting training for 3 epochs...",
        "",
        HEADER,
    )
    + "\r".join(["", f"{row(0)}: {bar(1, 3)}", f"{row(0, loss=0.045)}: {bar(3, 3)}", ""]).encode()
    + log("", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.71, 0.626, 0.672, 0.478), "")
    + log(HEADER, f"{row(1, loss=0.04)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", end="\r\n")
    + log(
        metrics("all", 0.727, 0.613, 0.673, 0.479),
        metrics("traffic light", 0.5, 0.4, 0.3, 0.2, labels=12),
        event("epoch", epoch=1, epochs=3, lr=[0.01, 0.1], metrics={"mAP@.5:.95": 0.47912}),
        "what nobody knows",
        f"[rank0]: {HEADER}",
        f"[rank0]: {row(2, loss=0.03)}: {bar(3, 3)}",
        f"[rank0]: {VALIDATION}: {bar(2, 2)}",
        metrics("all", 0.73, 0.61, 0.674, 0.48),
        "3 epochs completed in 0.123 hours.",
        "Fusing layers... ",
        "Model Summary: 314 layers, 36907898 parameters, 6194944 gradients, 104.5 GFLOPS",
        f"{VALIDATION}: {bar(2, 2)}",
        metrics("all", 0.703, 0.627, 0.668, 0.476),
        COCO_AP,
        "Optimizer stripped from runs/train/exp/weights/last.pt, 75.6MB",
        TRACEBACK,
        OUT_OF_MEMORY,
    )
    + "no line feed: é".encode()
)
"""Redraws, CRLF, colours, ranks, events, classes, an error, letters of several bytes, and an unfinished last line."""
