"""Films of any number of domains under beams of any shape, to train priors."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..plugins.options import option
from .base import ObjectSet
from .domains import Domains, Domains2D, Domains3D
from .seeds import stream

OBJECTS_AT_ONCE = 8
"""Neighbouring objects that have the same number of domains."""
DOMAINS_STREAM = 2  # the part of a stream that draws it


@dataclass(frozen=True)
class Varied(ObjectSet):
    """Objects of varied supports with log-uniform numbers of domains."""

    fewest: int = option(10, "least domains", ge=1)
    most: int = option(100, "most domains", ge=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fewest > self.most:
            raise InputError(f"fewest={self.fewest} domains is above most={self.most}; give fewest <= most")
        self._of(self.most)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the sets that it consists of."""
        return self._of(self.most).kinds

    @abstractmethod
    def _of(self, domains: int) -> Domains:
        """The set with this number of domains."""

    def _order(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Axes of a block's objects (objects, *shape), in the order in which they are laid into the array."""
        return tuple(range(1 + len(self.shape)))

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """The objects of these numbers and their supports, each (objects, *shape)."""
        x = np.empty((len(numbers), *self.shape), np.complex64)
        support = np.empty(x.shape, bool)
        at = numbers.start
        while at < numbers.stop:
            end = min(at - at % OBJECTS_AT_ONCE + OBJECTS_AT_ONCE, numbers.stop)
            rng = stream(seed, at // OBJECTS_AT_ONCE, DOMAINS_STREAM)
            domains = round(self.fewest * (self.most / self.fewest) ** rng.random())
            order = self._order(rng)
            part = slice(at - numbers.start, end - numbers.start)
            x[part], support[part] = (a.transpose(order) for a in self._of(domains).generate(seed, range(at, end)))
            at = end
        return x, support


@dataclass(frozen=True)
class Films(Varied):
    """`Domains2D` of varied ellipses, blobs and cells in turn, with log-uniform numbers of domains.

    The standard ellipses fill 0.065 to 0.195 of the array at aspects 1 to 2.2 and any orientation, and
    reach at most 24 px from the middle of 64.
    """

    size: int = option(64, "pixels along each axis", ge=16)
    fill: float = option(0.13, "mean share of the array that the ellipse fills", gt=0, le=0.45)
    aspect: float = option(1.6, "mean of the long axis of the ellipse over its short one", ge=1, le=10)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size, self.size)

    def _of(self, domains: int) -> Domains2D:
        return Domains2D(domains=domains, size=self.size, fill=self.fill, aspect=self.aspect, vary=True)


@dataclass(frozen=True)
class Films3D(Varied):
    """`Domains3D` of varied ellipsoids, turned in the plane of any two axes, with log-uniform numbers of domains.

    The ellipsoids fill 0.08 to 0.19 of the array and reach at most 15 px from the middle of 32.
    """

    size: int = option(32, "pixels along each axis", ge=16)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size,) * 3

    def _of(self, domains: int) -> Domains3D:
        return Domains3D(domains=domains, size=self.size, vary=True)

    def _order(self, rng: np.random.Generator) -> tuple[int, ...]:
        return (0, *list(permutations((1, 2, 3)))[int(rng.integers(6))])
