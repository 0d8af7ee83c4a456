"""Random streams of simulated data: one for each object of each seed.

Object i of seed s draws from Philox keyed by (s, i) (Salmon et al., SC11, 2011). It does not depend on batch, order or worker,
and no two seeds share an object. Training, tuning and testing each own a million seeds from the constants below on. Seeds below
a million are free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

TRAIN_SEED = 1_000_000
"""The first seed for training priors and networks."""
TUNE_SEED = 2_000_000
"""The first seed for choosing hyper-parameters."""
TEST_SEED = 3_000_000
"""The first seed for benchmarks and published figures."""

OBJECT_STREAM, NOISE_STREAM = 0, 1  # what a stream is for


def stream(seed: int, number: int, part: int = OBJECT_STREAM) -> np.random.Generator:
    """The random numbers of one object (`OBJECT_STREAM`) or of its measurement (`NOISE_STREAM`).

    Raises InputError for a negative seed or number, or one of 64 bits and more.
    """
    if not (0 <= seed < 2**63 and 0 <= number < 2**63):
        raise InputError(f"seed={seed}, object {number}: both must be whole numbers from 0 to 2^63 - 1")
    key = np.array([seed, number], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, part]))


def uniforms(seed: int, numbers: range, size: int) -> NDArray[np.float64]:
    """The first `size` uniform numbers in [0, 1) of each object's stream, (objects, size)."""
    drawn = np.empty((len(numbers), size))
    for row, number in zip(drawn, numbers, strict=True):
        stream(seed, number).random(out=row)
    return drawn
