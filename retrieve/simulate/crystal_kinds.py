"""Kinds of facetted crystals in three dimensions: what a rocking scan of a crystal may hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..numerics.alignment import remove_ramp
from ..numerics.grids import pixels
from ..plugins.options import option
from .base import ObjectSet
from .crystals import dislocation, peak_to_valley, polyhedron, waves
from .seeds import stream

KINDS = ("smooth", "strained", "dislocation", "domains", "elongated", "soft")
FACETS = 14
STRETCH = 2.5
"""Length over width of an elongated crystal."""
SOFT_EDGE = 5.0
"""Width in which a soft-edged crystal falls from full amplitude to none, pixels of 64."""
DOMAINS = 6


@dataclass(frozen=True)
class CrystalKinds(ObjectSet):
    """Facetted crystals of random form and size in three dimensions, of one kind; peak amplitude about 1.

    Smooth phase of 1 rad, peak to valley, and besides, by kind: strained, 4 rad; dislocation, 2π around a line; domains, six
    cells of random constant phase; elongated, longer by a factor of 2.5 along one axis; soft, edges that fade.
    """

    kind: str = option("smooth", "what the crystal holds", choices=KINDS)
    size: int = option(64, "pixels along each axis", ge=16)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size,) * 3

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """One crystal after the other."""
        x = np.stack([self._one(stream(seed, number)) for number in numbers])
        return x, x != 0

    def _one(self, rng: np.random.Generator) -> NDArray[np.complex64]:
        stretch = np.ones(3)
        if self.kind == "elongated":
            stretch[rng.integers(3)] = STRETCH
        fill = rng.uniform(0.3, 0.45)
        depth, radius = polyhedron(self.shape, fill, FACETS, rng, stretch)
        edge = SOFT_EDGE * self.size / 64 if self.kind == "soft" else 1.0
        cover = np.clip(depth / edge + 0.5, 0, 1)
        if self.kind == "soft":
            cover = np.sin(math.pi / 2 * cover) ** 2
        inside, r = cover > 0, pixels(self.shape) / radius
        angle = (4.0 if self.kind == "strained" else 1.0) * peak_to_valley(waves(r, rng), inside=inside)
        if self.kind == "dislocation":
            angle += dislocation(r, rng)
        if self.kind == "domains":
            middles = np.argwhere(inside)[rng.choice(int(inside.sum()), DOMAINS, replace=False)]
            places = np.moveaxis(np.indices(self.shape), 0, -1)
            nearest = np.argmin([((places - middle) ** 2).sum(axis=-1) for middle in middles], axis=0)
            angle += rng.uniform(0, 2 * math.pi, DOMAINS)[nearest]
        amplitude = cover * (1 + 0.1 * peak_to_valley(waves(r, rng), inside=inside))
        x: NDArray[np.complex64] = remove_ramp(amplitude * np.exp(1j * angle)).astype(np.complex64)
        return x
