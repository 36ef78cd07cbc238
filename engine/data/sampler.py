"""Which images an epoch visits, and in what order."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Says which images an epoch visits, as (epoch, index), so that workers know the epoch without being told.

    Under distributed training each rank visits its share; all ranks visit equally many.
    """

    def __init__(
        self, count: int, *, seed: int = 0, shuffle: bool = True, block: int = 1, rank: int = 0, world_size: int = 1
    ) -> None:
        """Make a sampler.

        Args:
            count: images of the data set.
            seed: seed of the order.
            shuffle: a new random order each epoch; otherwise the data set's own order.
            block: so many neighbours stay together (the batch size where batches have shapes of their own).
            rank: this process.
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
        """Say which epoch the next iteration is."""
        self.epoch = epoch

    def set_weights(self, weights: Sequence[float] | np.ndarray | None) -> None:
        """From the next epoch on draw images with replacement, by these weights; None visits each image once again."""
        self.weights = None if weights is None else np.asarray(weights, np.float64) / np.sum(weights)

    def __len__(self) -> int:
        return -(-self.count // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = self._order()
        padded = np.resize(order, len(self) * self.world_size)
        return ((self.epoch, int(i)) for i in padded[self.rank :: self.world_size])

    def _order(self) -> np.ndarray:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.weights is not None:
            return rng.choice(self.count, self.count, p=self.weights)
        if not self.shuffle:
            return np.arange(self.count)
        whole = self.count // self.block
        blocks = np.arange(whole * self.block).reshape(whole, self.block)[rng.permutation(whole)]
        return np.concatenate([blocks.ravel(), np.arange(whole * self.block, self.count)])
