"""Batches for training: reproducible, complete, and with boxes inside the images."""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from engine.contracts.errors import YoloqatError
from engine.data.collate import QuadCollate
from engine.data.config import DataConfig, load_data_config
from engine.data.dataset import Sample
from engine.data.images import ImageStore
from engine.data.loader import train_loader
from engine.data.sampler import EpochSampler
from engine.data.scanning.scan import scan
from engine.data.synthetic.shapes import draw_data_set
from engine.data.weights import class_weights, image_weights
from tests.engine.data.conftest import MakeData

P5: Mapping[str, object] = {
    "hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4, "translate": 0.2, "scale": 0.9, "fliplr": 0.5, "flipud": 0.1,
    "mosaic": 0.8, "mixup": 0.15, "paste_in": 0.15, "degrees": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    return load_data_config(draw_data_set(tmp_path_factory.mktemp("shapes"), 14, 4, 96, 0))


def epoch(loader: Any, number: int) -> list[tuple[Any, ...]]:
    loader.sampler.set_epoch(number)
    return list(loader)


def test_an_epoch_visits_every_image_once_in_another_order(data: DataConfig) -> None:
    loader = train_loader(data, 64, 4, P5, workers=0)
    paths = [[path for batch in epoch(loader, e) for path in batch[2]] for e in (0, 1)]
    assert sorted(paths[0]) == sorted(paths[1])
    assert len(set(paths[0])) == 14
    assert paths[0] != paths[1]
    assert len(loader) == 4
    in_order = train_loader(data, 64, 4, P5, workers=0, shuffle=False)
    assert [path for batch in epoch(in_order, 3) for path in batch[2]] == sorted(paths[0])


def test_batches_are_uint8_images_with_boxes_inside(data: DataConfig) -> None:
    loader = train_loader(data, 64, 4, P5, workers=0)
    seen = 0
    for e in range(6):
        for images, targets, paths, shapes in epoch(loader, e):
            assert images.dtype == torch.uint8
            assert images.shape[1:] == (3, 64, 64)
            assert shapes == [None] * len(paths)
            low, high = targets[:, 2:4] - targets[:, 4:] / 2, targets[:, 2:4] + targets[:, 4:] / 2
            assert low.min() > -1e-5
            assert high.max() < 1 + 1e-5
            assert set(targets[:, 1].tolist()) <= {0, 1, 2, 3}
            assert targets[:, 0].max() < len(images)
            seen += len(targets)
    assert seen > 100


def test_seed_and_epoch_decide_every_pixel_whatever_the_workers(data: DataConfig) -> None:
    def pixels(seed: int, number: int, workers: int) -> torch.Tensor:
        loader = train_loader(data, 64, 4, P5, workers=workers, seed=seed)
        return torch.cat([batch[0] for batch in epoch(loader, number)])

    first = pixels(1, 2, 0)
    assert torch.equal(first, pixels(1, 2, 2))
    assert not torch.equal(first, pixels(2, 2, 0))
    dataset = train_loader(data, 64, 4, P5, workers=0).dataset
    assert torch.equal(dataset[(2, 5)].image, dataset[(2, 5)].image)
    assert not torch.equal(dataset[(2, 5)].image, dataset[(3, 5)].image)


@pytest.mark.parametrize("flip", ["fliplr", "flipud"])
def test_a_flip_takes_the_labels_along(make_data: MakeData, flip: str) -> None:
    yaml = make_data({"a": "0 0.2 0.25 0.2 0.3\n"}, size=(100, 100))
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[10:40, 10:30] = 255
    cv2.imwrite(str(yaml.parent / "images" / "train" / "a.png"), pixels)
    images, targets, _, _ = epoch(train_loader(load_data_config(yaml), 100, 1, {flip: 1.0}, workers=0), 0)[0]
    _, _, cx, cy, w, h = (float(v) for v in targets[0])
    y, x = np.nonzero(images[0].numpy().min(0) > 128)
    found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) / 100
    np.testing.assert_allclose(found, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], atol=0.02)
    assert (cx > 0.6) == (flip == "fliplr")
    assert (cy > 0.6) == (flip == "flipud")


def test_the_global_generators_play_no_part(data: DataConfig) -> None:
    loader = train_loader(data, 64, 14, P5, workers=0)
    torch.manual_seed(1)
    first = epoch(loader, 0)[0][0]
    torch.manual_seed(2)
    np.random.seed(5)
    assert torch.equal(first, epoch(loader, 0)[0][0])


def test_rect_batches_keep_similar_images_together(make_data: MakeData, tmp_path: Path) -> None:
    yaml = make_data({name: "0 0.5 0.5 0.5 0.5\n" for name in "abcdef"}, size=(96, 48))
    for name in "ace":
        cv2.imwrite(str(tmp_path / "images" / "train" / f"{name}.png"), np.zeros((96, 48, 3), np.uint8))
    loader = train_loader(load_data_config(yaml), 96, 3, {"fliplr": 0.5}, workers=0, rect=True)
    assert sorted(tuple(batch[0].shape[2:]) for batch in epoch(loader, 1)) == [(64, 96), (96, 64)]


def test_quad_batches_join_four_images(data: DataConfig) -> None:
    loader = train_loader(data, 64, 8, P5, workers=0, quad=True)
    images, targets, paths, _ = epoch(loader, 0)[0]
    assert images.shape == (2, 3, 128, 128)
    assert len(paths) == 2
    assert targets[:, 2:].max() <= 1
    assert targets[:, 0].max() <= 1


def test_quad_targets_move_with_their_tile() -> None:
    colours = [torch.full((3, 8, 8), 10 * (i + 1), dtype=torch.uint8) for i in range(4)]
    target = np.array([[2, 0.5, 0.5, 1.0, 1.0]], np.float32)
    samples = [Sample(colour, target, str(i), None) for i, colour in enumerate(colours)]
    kinds = set()
    for seed in range(8):
        images, targets, _, _ = QuadCollate(seed)(samples)
        kinds.add(len(targets))
        for _, _, cx, cy, w, _ in targets:
            if len(targets) == 4:
                assert w == 0.5
                tile = 2 * int(cy > 0.5) + int(cx > 0.5)
                assert images[0, 0, int(16 * cy), int(16 * cx)] == 10 * (tile + 1)
        if len(targets) == 4:
            assert {(float(t[2]), float(t[3])) for t in targets} == {(x, y) for x in (0.25, 0.75) for y in (0.25, 0.75)}
    assert kinds == {1, 4}


def test_single_cls(data: DataConfig) -> None:
    loader = train_loader(data, 64, 14, {}, workers=0, single_cls=True)
    assert set(epoch(loader, 0)[0][1][:, 1].tolist()) == {0}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_vanishes_during_training_is_named(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    yaml = make_data({"a": "0 0.5 0.5 0.5 0.5\n", "b": ""})
    monkeypatch.setattr(ImageStore, "load_all", lambda self, limit=0: False)
    loader = train_loader(load_data_config(yaml), 64, 2, {}, workers=workers)
    (yaml.parent / "images" / "train" / "b.png").unlink()
    with pytest.raises(YoloqatError, match=r"b\.png.*deleted") as raised:
        epoch(loader, 0)
    assert "Traceback" not in str(raised.value)
    assert raised.value.hint


def test_an_interrupt_reaches_the_parent_alone(data: DataConfig) -> None:
    loader = train_loader(data, 64, 4, P5, workers=2)
    loader.sampler.set_epoch(0)
    batches = iter(loader)
    for _ in range(2):  # one of each worker: both have started, and ignore an interrupt from here on
        next(batches)
    for worker in multiprocessing.active_children():
        os.kill(worker.pid or 0, signal.SIGINT)
    assert len(list(batches)) == 2
    assert len(epoch(loader, 1)) == 4, "the workers live on"


def test_more_workers_than_processors_are_not_started(data: DataConfig, recwarn: pytest.WarningsRecorder) -> None:
    assert train_loader(data, 64, 8, {}, workers=64).num_workers <= min(8, os.cpu_count() or 1)
    assert train_loader(data, 64, 1, {}, workers=64).num_workers == 0
    assert not [w for w in recwarn if "worker" in str(w.message)]


def test_ranks_share_an_epoch() -> None:
    shares = []
    for rank in range(3):
        sampler = EpochSampler(10, seed=3, rank=rank, world_size=3)
        sampler.set_epoch(4)
        shares.append(list(sampler))
    assert [len(share) for share in shares] == [4, 4, 4]
    assert {index for share in shares for _, index in share} == set(range(10))
    assert {e for share in shares for e, _ in share} == {4}


def test_weights_draw_with_replacement() -> None:
    sampler = EpochSampler(4, seed=0)
    sampler.set_weights([0, 1, 0, 3])
    assert {index for e in range(20) for _, index in _at(sampler, e)} == {1, 3}
    sampler.set_weights(None)
    assert sorted(index for _, index in _at(sampler, 0)) == [0, 1, 2, 3]


def _at(sampler: EpochSampler, number: int) -> list[tuple[int, int]]:
    sampler.set_epoch(number)
    return list(sampler)


def test_class_and_image_weights_equal_the_originals(make_data: MakeData) -> None:
    row = "{} 0.5 0.5 0.1 0.1\n".format
    yaml = make_data({"a": row(0) + row(1), "b": row(1) + row(3), "c": ""}, nc=5)
    images = scan(load_data_config(yaml), "train")
    weights = class_weights(images.label_rows, 5)
    np.testing.assert_allclose(weights, np.array([2, 1, 2, 2, 2]) / 9)
    np.testing.assert_allclose(image_weights(images, weights), [1 / 3, 1 / 3, 0])


def test_the_store_keeps_what_fits_and_decodes_jpegs_small(tmp_path: Path) -> None:
    paths = []
    for i in range(3):
        path = tmp_path / f"{i}.jpg"
        cv2.imwrite(str(path), np.full((400, 300, 3), 80 * i, np.uint8))
        paths.append(str(path))
    sizes = np.array([(300, 400)] * 3)
    one = 75 * 100 * 3
    store = ImageStore(paths, sizes, 100, augment=True, budget=2 * one)
    assert store[0].pixels.shape == (100, 75, 3)
    assert store[0].original_hw == (400, 300)
    assert abs(int(store[2].pixels.mean()) - 160) <= 2
    assert store[1] is store[1]
    first = store[0]
    assert first is store[0]
    assert not store.load_all(2 * one)
    assert ImageStore(paths, sizes, 100, augment=False).load_all(3 * one)
