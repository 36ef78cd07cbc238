"""The order in which an epoch visits images."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields the images of an epoch as (epoch, index), so that workers know the epoch.

    In distributed training each rank visits its share; all shares have the same size.
    """

    def __init__(
        self, count: int, *, seed: int = 0, shuffle: bool = True, block: int = 1, rank: int = 0, world_size: int = 1
    ) -> None:
        """Create a sampler.

        Args:
            count: images of the data set.
            seed: seed of the order.
            shuffle: a new random order each epoch; otherwise the data set's order.
            block: keep so many neighbours together (the batch size, if each batch has its own shape).
            rank: number of this process.
            world_size: number of processes.
        """
        self.count = count
        self.seed = seed
        self.shuffle = shuffle
        self.block = block
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.weights: np.ndarray | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def set_weights(self, weights: Sequence[float] | np.ndarray | None) -> None:
        """Draw images by these weights, with replacement, from the next epoch on; None visits each image once."""
        self.weights = None if weights is None else np.asarray(weights, np.float64) / np.sum(weights)

    def __len__(self) -> int:
        return -(-self.count // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = self._order()
        padded_order = np.resize(order, len(self) * self.world_size)
        return ((self.epoch, int(i)) for i in padded_order[self.rank :: self.world_size])

    def _order(self) -> np.ndarray:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.weights is not None:
            return rng.choice(self.count, self.count, p=self.weights)
        if not self.shuffle:
            return np.arange(self.count)
        block_count = self.count // self.block
        blocks = np.arange(block_count * self.block).reshape(block_count, self.block)[rng.permutation(block_count)]
        return np.concatenate([blocks.ravel(), np.arange(block_count * self.block, self.count)])
