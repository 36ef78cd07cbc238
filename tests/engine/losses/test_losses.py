"""Both losses against the original's numbers: values, assignments, gradients."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.losses.boxes import aligned_iou, pairwise_iou
from engine.losses.candidates import Candidates
from engine.losses.geometry import HeadGeometry
from engine.losses.loss import ComputeLoss
from engine.losses.ota import ComputeLossOTA

CASES = (
    "typical",
    "empty",
    "single",
    "crowded",
    "unmatched",
    "edges",
    "nc3_smooth",
    "nc1",
    "focal",
    "posweight",
    "rect",
)


def load(golden: Path, case: str) -> tuple[dict[str, Any], Any, HeadGeometry, list[torch.Tensor], torch.Tensor]:
    info = json.loads((golden / "loss" / "loss.json").read_text())[case]
    arrays = np.load(golden / "loss" / f"{case}.npz")
    geometry = HeadGeometry(torch.tensor(info["anchors_grid_units"]), tuple(info["stride"]), info["nc"])
    raws = [torch.from_numpy(arrays[f"pred{i}_f16"].astype("float32")).requires_grad_() for i in range(3)]
    return info, arrays, geometry, raws, torch.from_numpy(arrays["targets"].astype("float32")).view(-1, 6)


def indices(match: Candidates) -> np.ndarray:
    return torch.stack((match.image_M, match.anchor_M, match.row_M, match.column_M), 1).numpy()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["ComputeLoss", "ComputeLossOTA"])
def test_the_loss_is_the_originals(golden: Path, case: str, kind: str) -> None:
    info, arrays, geometry, raws, targets = load(golden, case)
    expected = info.get(kind)
    if not expected:
        pytest.skip(f"the original computes no {kind} for {case}")
    ota = kind == "ComputeLossOTA"
    loss_fn = (ComputeLossOTA if ota else ComputeLoss)(geometry, info["hyp"])
    loss, items = loss_fn(raws, targets)
    assert float(loss.detach()) == pytest.approx(expected["loss_times_bs"], rel=1e-4)
    assert items.tolist() == pytest.approx(expected["items_box_obj_cls_total"], rel=1e-4, abs=1e-8)
    loss.backward()
    for level, raw in enumerate(raws):
        norm = float(raw.grad.norm()) if raw.grad is not None else 0.0
        assert norm == pytest.approx(expected["grads"][level]["total"], rel=1e-3, abs=1e-9)
        prefix = "ota" if ota else "loss"
        if f"{prefix}_grad{level}_idx" in arrays and raw.grad is not None:
            found = raw.grad.flatten()[torch.from_numpy(arrays[f"{prefix}_grad{level}_idx"].astype("int64"))]
            np.testing.assert_allclose(found.numpy(), arrays[f"{prefix}_grad{level}_val"], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_candidates_are_the_originals_in_its_order(golden: Path, case: str) -> None:
    info, arrays, geometry, raws, targets = load(golden, case)
    for level, match in enumerate(ComputeLoss(geometry, info["hyp"]).match(raws, targets)):
        expected = arrays[f"bt{level}_bagjgi"].reshape(-1, 4)
        np.testing.assert_array_equal(indices(match), expected)


@pytest.mark.parametrize("case", [case for case in CASES if case != "rect"])
def test_ota_takes_the_same_cells_for_the_same_targets(golden: Path, case: str) -> None:
    info, arrays, geometry, raws, targets = load(golden, case)
    with torch.no_grad():
        matches = ComputeLossOTA(geometry, info["hyp"]).match(raws, targets)
    for level, match in enumerate(matches):
        if f"ota{level}_bagjgi" not in arrays:
            assert len(match) == 0
            continue
        np.testing.assert_array_equal(indices(match), arrays[f"ota{level}_bagjgi"].reshape(-1, 4))
        np.testing.assert_allclose(
            targets[match.target_M].numpy(), arrays[f"ota{level}_targets"].reshape(-1, 6), rtol=1e-6
        )


def test_wide_images_are_scaled_by_their_width() -> None:
    """A target that fills a cell exactly is matched at its own column, also where the width is not the height."""
    geometry = HeadGeometry(torch.tensor([[[2.0, 2.0]]]), (8.0,), 2)
    raw = torch.zeros(1, 1, 4, 16, 7)
    targets = torch.tensor([[0, 1, 0.90625, 0.5, 2 / 16, 2 / 4]])
    hyp = {"anchor_t": 4.0}
    (match,) = ComputeLossOTA(geometry, hyp).match([raw], targets)
    assert 14 in match.column_M.tolist()


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_overlaps_are_the_originals(golden: Path, kind: str) -> None:
    arrays = np.load(golden / "boxes" / "iou.npz")
    one = torch.from_numpy(arrays["box1_xywh"]).float().requires_grad_()
    found = aligned_iou(one, torch.from_numpy(arrays["box2_xywh"]).float(), kind)
    expected = arrays[{"iou": "IoU", "giou": "GIoU", "diou": "DIoU", "ciou": "CIoU"}[kind]]
    regular = np.r_[0:64, 73:256]
    np.testing.assert_allclose(found.detach().numpy()[regular], expected[regular], rtol=1e-4, atol=1e-6)
    assert torch.isfinite(found).all()


def test_the_iou_matrix_is_the_originals(golden: Path) -> None:
    arrays = np.load(golden / "boxes" / "iou.npz")
    found = pairwise_iou(torch.from_numpy(arrays["m_box1_xyxy"]), torch.from_numpy(arrays["m_box2_xyxy"]))
    np.testing.assert_allclose(found.numpy(), arrays["m_iou"], rtol=1e-4, atol=1e-7)
