"""Films of any number of domains under beams of any shape: what a prior is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..options import option
from .base import ObjectSet
from .domains import Domains2D
from .seeds import stream

BLOCK = 8
"""Neighbouring objects that have the same number of domains."""
DOMAINS = 2  # the part of a stream that draws it


@dataclass(frozen=True)
class Films(ObjectSet):
    """`Domains2D` of varied ellipses, blobs and cells in turn, with log-uniform numbers of domains.

    The standard ellipses fill 0.065 to 0.195 of the array at aspects 1 to 2.2 and any orientation, and
    reach at most 24 px from the middle of 64.
    """

    fewest: int = option(10, "least domains", ge=1)
    most: int = option(100, "most domains", ge=1)
    size: int = option(64, "pixels along each axis", ge=16)
    fill: float = option(0.13, "mean share of the array that the ellipse fills", gt=0, le=0.45)
    aspect: float = option(1.6, "mean of the long axis of the ellipse over its short one", ge=1, le=10)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fewest > self.most:
            raise InputError(f"fewest={self.fewest} domains is above most={self.most}; give fewest <= most")
        self._of(self.most)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size, self.size)

    def _of(self, domains: int) -> Domains2D:
        return Domains2D(domains=domains, size=self.size, fill=self.fill, aspect=self.aspect, vary=True)

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """The objects of these numbers and their supports, each (objects, *shape)."""
        x = np.empty((len(numbers), *self.shape), np.complex64)
        support = np.empty(x.shape, bool)
        at = numbers.start
        while at < numbers.stop:
            end = min(at - at % BLOCK + BLOCK, numbers.stop)
            u = stream(seed, at // BLOCK, DOMAINS).random()
            part = slice(at - numbers.start, end - numbers.start)
            domains = round(self.fewest * (self.most / self.fewest) ** u)
            x[part], support[part] = self._of(domains).generate(seed, range(at, end))
            at = end
        return x, support
