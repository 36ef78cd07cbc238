"""Batches for training and for evaluation."""

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
from engine.data.images import SMALL_BYTES, ImageStore
from engine.data.sampler import EpochSampler
from engine.data.scanning.labeled import LabeledImages
from engine.data.scanning.scan import scan

SHARE_OF_FREE_MEMORY = 0.5
"""What `cache_images` may take."""


class BatchLoader(DataLoader[Sample]):
    """A data loader whose workers report a bad file as the error that it is, and leave SIGINT to their parent."""

    def __init__(
        self, dataset: SampleDataset, *, workers: int, collate_fn: Callable[[Any], Batch] = collate, **options: Any
    ) -> None:
        """Make a loader.

        Args:
            dataset: what to load.
            workers: processes that load; 0 loads in this one. They live as long as the loader.
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
    """Augmented batches of the `train` split; the last one may be smaller.

    Call `loader.sampler.set_epoch(epoch)` before each epoch. `loader.dataset` is the `TrainDataset`.

    Args:
        data: the data set.
        img_size: side of the images in pixels.
        batch_size: images per batch of this process; at most the size of the data set is used.
        hyp: hyperparameters; the augmentation keys are taken from it.
        workers: processes that load images; 0 loads in this one.
        seed: seed of order and augmentation.
        shuffle: random order in each epoch.
        rect: batches of similar aspect ratio, without mosaics.
        cache_images: keep all decoded images in memory. A small data set is kept anyway.
        single_cls: give every label class 0.
        quad: collate four images into one.
        stride: every shape is a multiple of it.
        rank: this process of a distributed training.
        world_size: number of processes.
        pin_memory: load into page-locked memory, for CUDA.
        images: the scanned `train` split, if at hand.

    Raises:
        YoloqatError: something is wrong with images, labels or hyperparameters.
    """
    images = images if images is not None else scan(data, "train", single_cls=single_cls)
    batch_size = min(batch_size, len(images))
    dataset = TrainDataset(
        images, img_size, Augmentation.from_hyp(hyp), seed=seed, rect=rect, batch_size=batch_size, stride=stride
    )
    workers = _useful_workers(workers, batch_size, world_size)
    _fill(dataset.store, cache_images, workers)
    sampler = EpochSampler(
        len(dataset), seed=seed, shuffle=shuffle, block=batch_size if rect else 1, rank=rank, world_size=world_size
    )
    join = QuadCollate(seed) if quad else collate
    return BatchLoader(
        dataset, workers=workers, collate_fn=join, batch_size=batch_size, sampler=sampler, pin_memory=pin_memory
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
    """Letterboxed batches of a split, for evaluation and calibration. `loader.dataset` is the `ValDataset`.

    Args:
        data: the data set.
        split: `train`, `val` or `test`.
        img_size: long side of the images in pixels.
        batch_size: images per batch; at most the size of the split is used.
        letterbox: `rect` as the original's evaluation, or `square`.
        workers: processes that load images; none is started when all images are in memory already.
        single_cls: give every label class 0.
        stride: every shape is a multiple of it.
        pad: what `rect` adds to each side, in strides.
        limit: take so many images at random, 0 takes all.
        seed: seed of that choice.
        pin_memory: load into page-locked memory, for CUDA.
        images: the scanned split, if at hand.

    Raises:
        YoloqatError: something is wrong with images or labels.
    """
    images = images if images is not None else scan(data, split, single_cls=single_cls)
    if 0 < limit < len(images):
        images = images.take(np.sort(np.random.default_rng(seed).choice(len(images), limit, replace=False)))
    batch_size = min(batch_size, len(images))
    dataset = ValDataset(images, img_size, letterbox=letterbox, batch_size=batch_size, stride=stride, pad=pad)
    workers = 0 if dataset.store.load_all() else _useful_workers(workers, batch_size)
    return BatchLoader(dataset, workers=workers, batch_size=batch_size, pin_memory=pin_memory)


def _useful_workers(requested: int, batch_size: int, world_size: int = 1) -> int:
    """Not more than there are processors for this process, nor images in a batch; none for batches of one."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(requested, processors // world_size, batch_size if batch_size > 1 else 0)


def _fill(store: ImageStore, cache_images: bool, workers: int) -> None:
    """Keep all images if they are few or it was asked for and there is room, else the most recent ones."""
    free = int(psutil.virtual_memory().available * SHARE_OF_FREE_MEMORY)
    if store.load_all(free if cache_images else min(SMALL_BYTES, free)):
        return
    store.budget = SMALL_BYTES // max(workers, 1)
    if cache_images:
        needed = store.total_bytes() / 2**30
        print(
            f"WARNING: the images need {needed:.1f} GiB, too much for this machine's memory; not all are kept",
            flush=True,
        )


def _start_worker(_: int) -> None:
    """A stop is the parent's to handle: it finishes its batch, and ends the workers with SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.excepthook = _not_of_a_parent_that_stopped
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _not_of_a_parent_that_stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A stop may reach the parent while it takes over a batch; the thread that hands it over then finds nobody."""
    if not isinstance(error, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)
