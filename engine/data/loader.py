"""Data loaders for training and for evaluation."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal

import cv2
import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader

from engine.contracts.errors import YoloqatError
from engine.data.augment.augmentation import Augmentation
from engine.data.collate import Batch, QuadCollate, collate
from engine.data.config import DataConfig
from engine.data.dataset import Sample, SampleDataset, TrainDataset, ValDataset
from engine.data.images import SMALL_DATA_SET_BYTES, ImageStore
from engine.data.sampler import EpochSampler
from engine.data.scanning.labeled import LabeledImages
from engine.data.scanning.scan import scan

SHARE_OF_FREE_MEMORY = 0.5
"""Share of the free memory that `cache_images` may use."""


class BatchLoader(DataLoader[Sample]):
    """Data loader whose workers pass errors on as `YoloqatError`, and leave SIGINT to their parent."""

    def __init__(
        self, dataset: SampleDataset, *, workers: int, collate_fn: Callable[[Any], Batch] = collate, **options: Any
    ) -> None:
        """Create a loader.

        Args:
            dataset: the samples.
            workers: processes that load, for the life of the loader; 0 loads in this process.
            collate_fn: makes a batch of samples.
            options: see `torch.utils.data.DataLoader`.
        """
        super().__init__(
            dataset,
            num_workers=workers,
            collate_fn=collate_fn,
            persistent_workers=workers > 0,
            worker_init_fn=_start_worker,
            **options,
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, YoloqatError):
                raise batch
            yield batch


def train_loader(
    data: DataConfig,
    img_size: int,
    batch_size: int,
    hyp: Mapping[str, object],
    *,
    workers: int = 8,
    seed: int = 0,
    shuffle: bool = True,
    rect: bool = False,
    cache_images: bool = False,
    single_cls: bool = False,
    quad: bool = False,
    stride: int = 32,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
    images: LabeledImages | None = None,
) -> BatchLoader:
    """Create a loader of augmented batches of the `train` split; the last one may be smaller.

    Call `loader.sampler.set_epoch(epoch)` before each epoch. `loader.dataset` is the `TrainDataset`.

    Args:
        data: the data set.
        img_size: side of the images in pixels.
        batch_size: images per batch of this process, limited to the size of the data set.
        hyp: hyperparameters, of which the augmentation keys are used.
        workers: processes that load images; 0 loads in this process.
        seed: seed of order and augmentation.
        shuffle: random order in each epoch.
        rect: batches of similar aspect ratio, without mosaics.
        cache_images: cache all decoded images in memory. A small data set always is.
        single_cls: give every label class 0.
        quad: collate four images into one.
        stride: every shape is a multiple of it.
        rank: this process of a distributed training.
        world_size: number of processes.
        pin_memory: load into page-locked memory, for CUDA.
        images: the scanned `train` split; None scans it.

    Raises:
        YoloqatError: images, labels or hyperparameters are invalid.
    """
    images = images if images is not None else scan(data, "train", single_cls=single_cls)
    batch_size = min(batch_size, len(images))
    dataset = TrainDataset(
        images, img_size, Augmentation.from_hyp(hyp), seed=seed, rect=rect, batch_size=batch_size, stride=stride
    )
    workers = _useful_workers(workers, batch_size, world_size)
    _fill_cache(dataset.store, cache_images, workers)
    sampler = EpochSampler(
        len(dataset), seed=seed, shuffle=shuffle, block=batch_size if rect else 1, rank=rank, world_size=world_size
    )
    collate_fn = QuadCollate(seed) if quad else collate
    return BatchLoader(
        dataset, workers=workers, collate_fn=collate_fn, batch_size=batch_size, sampler=sampler, pin_memory=pin_memory
    )


def val_loader(
    data: DataConfig,
    split: str,
    img_size: int,
    batch_size: int,
    *,
    letterbox: Literal["rect", "square"] = "rect",
    workers: int = 8,
    single_cls: bool = False,
    stride: int = 32,
    pad: float = 0.5,
    limit: int = 0,
    seed: int = 0,
    pin_memory: bool = False,
    images: LabeledImages | None = None,
) -> BatchLoader:
    """Create a loader of letterboxed batches, for evaluation and calibration. `loader.dataset` is a `ValDataset`.

    Args:
        data: the data set.
        split: `train`, `val` or `test`.
        img_size: long side of the images in pixels.
        batch_size: images per batch, limited to the size of the split.
        letterbox: `rect` as in YOLOv7's evaluation, or `square`.
        workers: processes that load images; none is started if all images fit in memory.
        single_cls: give every label class 0.
        stride: every shape is a multiple of it.
        pad: padding that `rect` adds to each side, in strides.
        limit: choose so many images at random; 0 for all.
        seed: seed of that choice.
        pin_memory: load into page-locked memory, for CUDA.
        images: the scanned split; None scans it.

    Raises:
        YoloqatError: images or labels are invalid.
    """
    images = images if images is not None else scan(data, split, single_cls=single_cls)
    if 0 < limit < len(images):
        images = images.subset(np.sort(np.random.default_rng(seed).choice(len(images), limit, replace=False)))
    batch_size = min(batch_size, len(images))
    dataset = ValDataset(images, img_size, letterbox=letterbox, batch_size=batch_size, stride=stride, pad=pad)
    workers = 0 if dataset.store.load_all() else _useful_workers(workers, batch_size)
    return BatchLoader(dataset, workers=workers, batch_size=batch_size, pin_memory=pin_memory)


def _useful_workers(requested: int, batch_size: int, world_size: int = 1) -> int:
    """Limit workers to the processors of this process and the images of a batch; none for batches of one."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(requested, processors // world_size, batch_size if batch_size > 1 else 0)


def _fill_cache(store: ImageStore, cache_images: bool, workers: int) -> None:
    """Cache all images if they are small, or with `cache_images` if they fit in memory; else the most recent ones."""
    budget = int(psutil.virtual_memory().available * SHARE_OF_FREE_MEMORY)
    if store.load_all(budget if cache_images else min(SMALL_DATA_SET_BYTES, budget)):
        return
    store.budget = SMALL_DATA_SET_BYTES // max(workers, 1)
    if cache_images:
        needed_gib = store.total_bytes() / 2**30
        print(
            f"WARNING: the images need {needed_gib:.1f} GiB, too much for this machine's memory; not all are kept",
            flush=True,
        )


def _start_worker(_: int) -> None:
    """Ignore SIGINT in a worker: the parent handles it, finishes its batch and ends the workers by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.excepthook = _ignore_lost_parent
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _ignore_lost_parent(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Exception hook that prints nothing if the parent stopped while a worker was sending it a batch."""
    if not isinstance(error, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)
