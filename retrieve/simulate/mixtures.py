"""A sum of Gaussian blobs in a randomly turned ellipse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..numerics.grids import pixels
from .geometry import ball_volume, object_shape, rotation, unit_vectors


def blobs(
    shape: Sequence[int], *, seed: int, number: int = 50, sigma: float = 2.0, fill: float = 0.17
) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    """Make a sum of Gaussian blobs of random place and phase in an ellipse.

    Parameters
    ----------
    shape
        Pixels along two or three axes.
    seed
        Seed of the object.
    number
        Number of blobs.
    sigma
        Their standard deviation, px.
    fill
        Share of the array in the randomly turned ellipse (ellipsoid), at most 0.3. At 0.17 a 2D pattern is oversampled
        about twice an axis.

    Returns
    -------
    complex64 (*shape)
        The object, centred at N//2.
    bool (*shape)
        Its support.
    """
    shape = object_shape(shape)
    if not 0 < fill <= 0.3 or number < 1 or sigma <= 0:
        raise InputError(f"number={number}, sigma={sigma}, fill={fill}: give number >= 1, sigma > 0 and fill in (0, 0.3]")
    rng = np.random.default_rng(seed)
    d = len(shape)
    axes = rng.uniform(0.8, 1, d)
    axes *= (fill / (ball_volume(d) * np.prod(axes))) ** (1 / d)  # semi-axes in units of the array's edges
    turn = rotation(d, rng)

    edges = np.array(shape).reshape(d, *[1] * d)
    support = np.sum((np.tensordot(turn, pixels(shape) / edges, 1) / axes.reshape(edges.shape)) ** 2, axis=0) <= 1
    place = unit_vectors(number, d, rng) * rng.uniform(0, 1, (number, 1)) ** (1 / d) * axes @ turn  # uniform in it
    field: NDArray = np.exp(2j * np.pi * rng.uniform(size=number))
    for n, centre in zip(shape, place.T * edges.reshape(d, 1), strict=True):
        profile = np.exp(-((np.arange(n) - n // 2 - centre[:, None]) ** 2) / (2 * sigma**2))
        field = field[..., None] * profile.reshape(number, *[1] * (field.ndim - 1), n)
    return (field.sum(axis=0) * support).astype(np.complex64), support
