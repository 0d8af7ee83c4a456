"""The base class of the sets of simulated objects."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..plugins.options import validate, values_of
from ..problem import Problem
from .noise import Noise, simulated_problem

CHUNK_PIXELS = 2**18  # pixels made at once: what fits a processor's cache


@dataclass(frozen=True)
class ObjectSet(ABC):
    """A family of random objects, defined by its fields alone.

    Objects are numbered from 0 to 2⁶³ − 1 under each seed.
    """

    def __post_init__(self) -> None:
        validate(self)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of objects, if there are several. They take turns: object n is of ``kinds[n % len(kinds)]``."""
        return ()

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""

    @abstractmethod
    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """The objects of these numbers and their supports, each (objects, *shape), all at once."""

    def objects(self, count: int, seed: int, first: int = 0) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """Make objects `first` to `first + count − 1` of a seed. An object does not depend on the others.

        Returns
        -------
        complex64 (count, *shape)
            The objects, centred at N//2, zero outside the support, of peak amplitude about 1.
        bool (count, *shape)
            Their supports.

        Raises
        ------
        InputError
            For a count below 1.
        """
        if count < 1:
            raise InputError(f"count={count} objects cannot be made; give at least 1")
        x = np.empty((count, *self.shape), np.complex64)
        support = np.empty(x.shape, bool)
        step = max(1, CHUNK_PIXELS // math.prod(self.shape))
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            x[part], support[part] = self.generate(seed, range(first + part.start, first + part.stop))
        return x, support

    def problem(self, number: int, seed: int, noise: Noise | None = None) -> Problem:
        """Measure one object. The problem holds its truth; `meta` holds the recipe."""
        x, support = self.objects(1, seed, number)
        about = {"source": f"simulated {type(self).__name__}", "set": values_of(self)}
        return simulated_problem(x[0], support[0], noise, seed=seed, number=number, meta=about)
