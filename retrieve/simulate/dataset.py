"""Simulated objects as an endless torch dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import InputError
from .base import ObjectSet
from .noise import Noise, expose
from .seeds import NOISE_STREAM, TRAIN_SEED, stream


class ObjectBatch(NamedTuple):
    """Objects and, if noise was given, their measurements.

    x: float32 (batch, 2, *shape), real and imaginary part, centred at N//2.
    support: bool (batch, *shape).
    amplitude: float32 (batch, *shape) or None, in the units of x, zero frequency at index 0; 0 where not valid.
    valid: bool (batch, *shape) or None, True where measured.
    """

    x: Tensor
    support: Tensor
    amplitude: Tensor | None = None
    valid: Tensor | None = None


class Stream(IterableDataset[ObjectBatch]):
    """Batch j holds objects j·batch to (j + 1)·batch − 1 of the seed.

    Worker w of W makes batches w, w + W, …, and a DataLoader returns them in order. The stream does not depend on W.
    """

    def __init__(self, objects: ObjectSet, noise: Noise | None, seed: int, batch: int, start: int) -> None:
        self.objects, self.noise, self.seed, self.batch, self.start = objects, noise, seed, batch, start

    def __iter__(self) -> Iterator[ObjectBatch]:
        """Batches without end."""
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        return (self.made(j) for j in itertools.count(self.start + first, step))

    def made(self, j: int) -> ObjectBatch:
        """Batch number j."""
        x, support = self.objects.objects(self.batch, self.seed, j * self.batch)
        pair = torch.from_numpy(np.stack([x.real, x.imag], axis=1))
        if self.noise is None:
            return ObjectBatch(pair, torch.from_numpy(support))
        axes = tuple(range(1, x.ndim))
        amplitude, valid = np.empty(x.shape, np.float32), np.empty(x.shape, bool)
        for k, one in enumerate(x):
            seen = expose(one, self.noise, stream(self.seed, j * self.batch + k, NOISE_STREAM))
            amplitude[k], valid[k] = seen.amplitude * seen.valid / seen.scale, seen.valid
        measured = (torch.from_numpy(np.fft.ifftshift(a, axes)) for a in (amplitude, valid))
        return ObjectBatch(pair, torch.from_numpy(support), *measured)


def torch_dataset(
    objects: ObjectSet, noise: Noise | None = None, *, seed: int = TRAIN_SEED, batch: int = 100, start: int = 0
) -> Stream:
    """Make an endless dataset of `ObjectBatch`. Give it to a DataLoader with ``batch_size=None`` and any number of workers.

    Parameters
    ----------
    objects
        The set.
    noise
        Measures the objects, too.
    seed
        Seed of objects and noise.
    batch
        Objects in a batch.
    start
        Number of the first batch; resumes a stream.

    Raises
    ------
    InputError
        For batch < 1 or start < 0.
    """
    if batch < 1 or start < 0:
        raise InputError(f"batch={batch}, start={start}: give batch >= 1 and start >= 0")
    return Stream(objects, noise, seed, batch, start)
