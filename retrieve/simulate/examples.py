"""Crystals by name, for demonstrations and tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..plugins.options import unknown
from ..problem import Problem
from .crystals import crystal
from .noise import measure


@dataclass(frozen=True)
class Example:
    """A crystal and its exposure."""

    shape: tuple[int, ...]
    photons: float
    fill: float = 0.25
    seed: int = 0


EXAMPLES = {
    "crystal2d": Example((128, 128), 1e6),
    "crystal3d": Example((64, 64, 64), 1e7, fill=0.35),
}


def example(name: str) -> Problem:
    """Make the problem of a named example, with its truth and without its support.

    Parameters
    ----------
    name
        "crystal2d" or "crystal3d".

    Returns
    -------
    Problem
        The problem, its truth scaled to the photons of the pattern.

    Raises
    ------
    InputError
        For an unknown name.
    """
    if name not in EXAMPLES:
        raise InputError(unknown("example", name, EXAMPLES))
    one = EXAMPLES[name]
    x = crystal(one.shape, seed=one.seed, fill=one.fill)
    x *= np.sqrt(one.photons / np.sum(np.abs(x) ** 2, dtype=float)).astype(np.float32)
    intensity = measure(x, photons=one.photons, seed=one.seed)
    meta = {"source": f"simulated {name}", "photons": one.photons, "seed": one.seed}
    return Problem.from_arrays(intensity=intensity, truth=x, meta=meta)
