"""Prepare a model for training: build, transfer weights, freeze, check anchors; prints YOLOv7's lines."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.data.scanning.labeled import LabeledImages
from engine.losses.geometry import HeadGeometry
from engine.losses.loss import ComputeLoss
from engine.losses.ota import ComputeLossOTA
from engine.models.checkpoint import Checkpoint
from engine.models.config import load_model_config, parse_model_config
from engine.models.summary import summarize
from engine.models.transfer import transfer
from engine.models.yolo import YoloModel, build_model
from engine.train.anchors import GOOD_RECALL, anchor_fit, box_sizes, search_anchors
from engine.train.epoch import Loss
from engine.train.optimizer import parameter_groups


def make_model(
    cfg: str, checkpoint: Checkpoint | None, weights: str, names: Sequence[str], act: str, width: float
) -> YoloModel:
    """Build the model that `--cfg` or the checkpoint describes, and copy the checkpoint's weights into it.

    Raises:
        YoloqatError: neither is given, or no weight of the checkpoint fits the model.
    """
    if cfg:
        config = load_model_config(cfg)
        if config.layers[-1].module == "Detect":
            config = config.with_head("IDetect")
    elif checkpoint is not None:
        config = parse_model_config(checkpoint.config, weights, weights)
        act = checkpoint.act if act == "model" else act
    else:
        raise YoloqatError("neither --cfg nor --weights is given", hint="For example: --cfg yolov7-tiny.")
    if config.nc != len(names):
        say(f"Overriding model.yaml nc={config.nc} with nc={len(names)}")
    model = build_model(config, names=names, act=act, width=width)
    say(f"{summarize(model)}\n")
    if checkpoint is not None:
        copied, total = transfer(model, checkpoint.state, exclude=("anchor",) if cfg else ())
        if not copied:
            raise YoloqatError(
                f"no weight of this file fits {config.name}",
                where=weights,
                hint="Check --cfg and --width against the file.",
            )
        say(f"Transferred {copied}/{total} items from {weights}")
    return model


def freeze(model: YoloModel, layers: Sequence[int]) -> None:
    """Freeze whole layers: several numbers name them, a single N means layers 0 to N − 1.

    Raises:
        YoloqatError: every parameter is frozen.
    """
    frozen = set(layers) if len(layers) > 1 else set(range(layers[0] if layers else 0))
    for name, parameter in model.named_parameters():
        if any(name.startswith(f"model.{index}.") for index in frozen):
            print(f"freezing {name}", flush=True)
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise YoloqatError(
            f"--freeze {' '.join(map(str, layers))} leaves nothing to train",
            hint=f"The model has the layers 0 to {len(model.model) - 1}.",
        )


def report_parameter_groups(model: nn.Module, decay: float) -> None:
    """Print YOLOv7's two lines about the optimizer."""
    groups = parameter_groups(model)
    say(f"Scaled weight_decay = {decay:.12g}")
    say(f"Optimizer groups: {len(groups.biases)} .bias, {len(groups.weights)} conv.weight, {len(groups.scales)} other")


def make_loss(model: YoloModel, hyp: Mapping[str, Any], quad: bool = False) -> tuple[Loss, ComputeLoss]:
    """Build the loss for training (OTA unless `loss_ota: 0`) and that for validation. `hyp` has its gains scaled.

    `quad` multiplies the loss by four, because the quad loader puts four images into one.
    """
    geometry = HeadGeometry.of(model)
    plain = ComputeLoss(geometry, hyp)
    training = ComputeLossOTA(geometry, hyp) if int(hyp["loss_ota"]) == 1 else plain

    def loss(raws: Sequence[Tensor], targets: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        total, items = training(raws, targets)
        return (total * 4 if quad else total), items

    return loss, plain


@torch.no_grad()
def check_anchors(model: YoloModel, images: LabeledImages, img_size: int, anchor_t: float, seed: int) -> None:
    """Print how well the anchors fit the labels; replace them if too many labels fit none and a search finds better."""
    head = model.head
    wh = box_sizes([images.labels(i) for i in range(len(images))], np.asarray(images.sizes, np.float64), img_size)
    if not len(wh):
        return
    old_anchors = head.anchor_grid.view(-1, 2).cpu().numpy().astype(np.float64)
    per_target, recall = anchor_fit(old_anchors, wh, anchor_t)
    fit = f"anchors/target = {per_target:.2f}, Best Possible Recall (BPR) = {recall:.4f}"
    line = f"\nautoanchor: Analyzing anchors... {fit}"
    if recall >= GOOD_RECALL:
        print(line, flush=True)
        return
    print(f"{line}. Attempting to improve anchors, please wait...", flush=True)
    new_anchors = search_anchors(wh, len(old_anchors), anchor_t, np.random.default_rng(seed))
    _, new_recall = anchor_fit(new_anchors, wh, anchor_t)
    if new_recall <= recall:
        print("autoanchor: Original anchors better than new anchors. Proceeding with original anchors.", flush=True)
        return
    grid = torch.as_tensor(new_anchors, dtype=head.anchor_grid.dtype, device=head.anchor_grid.device)
    head.anchor_grid.copy_(grid.view_as(head.anchor_grid))
    head.anchors.copy_(grid.view_as(head.anchors) / head.stride.to(grid.device).view(-1, 1, 1))
    print(f"autoanchor: New anchors saved to model (BPR {new_recall:.4f}).", flush=True)
