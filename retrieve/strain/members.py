"""The objects over which a map has a spread: the posterior samples, or the starts that explain the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..evaluate.uncertainty import explaining_starts
from ..io.result import Result
from ..numerics.alignment import align


class Members(NamedTuple):
    """The objects that a spread is over.

    stack: complex (objects, *shape).  indices: those of the stack that count.  kind: "samples" or "starts".  note: the rule.
    """

    stack: NDArray[np.complexfloating]
    indices: NDArray[np.intp]
    kind: str
    note: str

    def aligned(self, to: NDArray[np.complexfloating]) -> Iterator[NDArray[np.complexfloating]]:
        """One object after the other, brought onto an object by shift, twin and phase, as `evaluate.ensemble` does."""
        for k in self.indices:
            yield align(self.stack[k], to).object


def members_of(result: Result) -> Members:
    """The posterior samples of a result, or the starts that explain the data as well as the chosen one. All weigh alike."""
    axes = tuple(range(1, result.object.ndim + 1))
    if result.samples is not None:
        stack = np.asarray(result.samples)
        good = np.flatnonzero(np.isfinite(stack).all(axis=axes) & stack.any(axis=axes))
        return Members(stack, good, "samples", f"the spread is over {len(good)} posterior samples, which weigh alike")
    stack = result.estimates
    explaining = np.array(explaining_starts(result), np.intp)
    good = explaining[np.isfinite(stack[explaining]).all(axis=axes) & stack[explaining].any(axis=axes)]
    rule = f"{len(good)} of {len(stack)} starts explain the data as well as the chosen one"
    if len(good) < 2:
        return Members(stack, good, "starts", rule + "; a spread needs two of them: run with more --starts and --agree 0")
    return Members(stack, good, "starts", rule + "; the spread is over them, and all weigh alike")


class Spread:
    """The standard deviation of maps over objects, one after the other (Welford 1962)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: dict[str, NDArray[np.float32]] = {}
        self._squares: dict[str, NDArray[np.float32]] = {}

    def add(self, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Count the maps of one more object."""
        self.count += 1
        for name, values in maps.items():
            if name not in self._mean:
                self._mean[name], self._squares[name] = np.zeros_like(values), np.zeros_like(values)
            off = values - self._mean[name]
            self._mean[name] = self._mean[name] + off / np.float32(self.count)
            self._squares[name] = self._squares[name] + off * (values - self._mean[name])

    def deviations(self) -> dict[str, NDArray[np.float32]]:
        """The standard deviation (*shape) of each map; empty with fewer than two objects."""
        if self.count < 2:
            return {}
        return {name: np.sqrt(np.maximum(squares / np.float32(self.count - 1), 0)) for name, squares in self._squares.items()}
