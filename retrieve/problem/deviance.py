"""The deviance per pixel: whether noise explains how far a model misses the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..numerics.arrays import Array, namespace, to_numpy
from .likelihood import Likelihood, Poisson
from .noise_model import is_cut, is_described, stated_noise
from .problem import Problem


def known_noise(problem: Problem) -> Likelihood | None:
    """The noise by which the deviance judges a fit, None where it is not known.

    Parameters
    ----------
    problem : Problem
        The measurement.

    Returns
    -------
    Likelihood or None
        The problem's own likelihood, with three exceptions. σ = ½, the default, stands for counts: it is `Poisson` where the
        intensities are whole numbers, and nothing is known where they are not. Counts that were cut to zero below a threshold
        follow no likelihood here, nor does a simulation without noise or with counts and noise on the amplitude at once.
    """
    y = to_numpy(problem.amplitude)[to_numpy(problem.valid)]
    noise = stated_noise(problem.likelihood, y) if is_described(problem.meta) else None
    return None if isinstance(noise, Poisson) and is_cut(noise, y) else noise


def deviance_per_pixel(problem: Problem, f: Array, noise: Likelihood | None, masks: Sequence[Array | None]) -> np.ndarray:
    """Σ deviance/Σ expected deviance over the pixels of each mask.

    It is 1 for a right model and the right noise, at 0.1 counts a pixel as at 10⁴. A fit of n pixels by p free numbers has about
    1 − p/n on the pixels that it saw, and more than 1 on others.

    Parameters
    ----------
    problem : Problem
        With the amplitudes of all masks.
    f : complex (batch, *field)
        The far field A x.
    noise
        The noise, None if it is not known; see `known_noise`.
    masks
        bool (*shape), zero frequency first.

    Returns
    -------
    float64 (masks, batch)
        NaN for a mask that is None or has no pixels, and where the noise or its expectation is not known.
    """
    sums = np.zeros((2, len(masks), f.shape[0]))
    for at, *pixels in deviances(problem, f, noise):
        xp = namespace(pixels[0])
        axes = tuple(range(1, pixels[0].ndim))
        for total, values in zip(sums, pixels, strict=True):
            for k, mask in enumerate(masks):
                if mask is not None:
                    total[k] += to_numpy(xp.sum(xp.where(mask[at], values, xp.zeros_like(values)), axis=axes))
    total, expected = sums
    return np.divide(total, expected, out=np.full_like(total, np.nan), where=expected > 0)


def deviances(problem: Problem, f: Array, noise: Likelihood | None) -> Iterator[tuple[Any, Array, Array]]:
    """The deviance of each pixel and its expectation (batch, *part) in parts, each with its place on the detector.

    Pixels that were not measured hold no meaning. Nothing comes where the noise or its expectation is not known.
    """
    if noise is None:
        return
    for at, p in problem.slabs(f):
        p = namespace(p).clip(p, min=0)
        expected = noise.expected_deviance(p)
        if expected is None:
            return
        yield at, noise.deviance(p, problem.amplitude[at]), expected
