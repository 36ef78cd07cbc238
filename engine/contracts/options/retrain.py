"""Options of `retrain`: those of the original's `train.py`, and a few of ours."""

from typing import Literal

from engine.contracts.options.base import option
from engine.contracts.options.evaluate import EvaluationOptions


class RetrainOptions(EvaluationOptions):
    """Train the float model. A command line of the original works unchanged."""

    weights: str = option("", "initial weights (.pt of ours or of the original); empty starts from scratch")
    cfg: str = option("", "model YAML in the original's dialect, or a name from configs/models")
    data: str = option("coco.yaml", "data set YAML")
    hyp: str = option("hyp.scratch.p5.yaml", "hyperparameter YAML, or a name from configs/hyp")
    act: Literal["model", "silu", "relu", "relu6", "leaky"] = option(
        "model", "activation; `model` keeps what the model file or checkpoint says"
    )
    epochs: int = option(300, "epochs", ge=1)
    batch_size: int = option(16, "images per batch, over all GPUs", ge=1)
    img_size: list[int] = option(
        [640, 640], "image size of training and of testing", flags=("--img", "--imgsz"), min_length=1, max_length=2
    )
    width: float = option(1.0, "multiply every channel count", gt=0)
    rect: bool = option(False, "rectangular training batches")
    resume: bool = option(False, "go on from this run's weights/last.pt")
    nosave: bool = option(False, "save the final checkpoint only")
    notest: bool = option(False, "evaluate after the final epoch only")
    noautoanchor: bool = option(False, "keep the model's anchors")
    cache_images: bool = option(False, "keep the decoded images in memory")
    image_weights: bool = option(False, "draw images by the weight of their classes")
    device: str = option("", "`cpu`, or a CUDA device such as 0; empty takes a GPU if there is one")
    multi_scale: bool = option(False, "vary the image size by half")
    single_cls: bool = option(False, "treat all classes as one")
    adam: bool = option(False, "Adam in the place of SGD")
    sync_bn: bool = option(False, "SyncBatchNorm under DDP")
    quad: bool = option(False, "quad loader")
    linear_lr: bool = option(False, "linear in the place of the cosine learning rate")
    label_smoothing: float = option(0.0, "label smoothing epsilon", ge=0, lt=1)
    freeze: list[int] = option([0], "layers to freeze: several numbers name them, one N freezes 0 to N-1")
    v5_metric: bool = option(False, "AP with the recall curve extended to 1.0, as YOLOv5 computes it")
    save_period: int = option(-1, "save a checkpoint every N epochs; -1 never")
    workers: int = option(8, "processes that load images", ge=0)
    seed: int = option(1, "seed of weights, order and augmentation", ge=0)
    shuffle: bool = option(True, "visit the images in random order; --no-shuffle keeps the original's sorted order")
