"""The iterations of one run on a CPU: P_M by planned transforms, and one compiled pass from x and m = P_M x to the next x.

A loop's `modulus` gives m, its `update` the next x, mostly in the place of x, and what is to be shown, P_S m where the
constraint is more than a support. `card` has the same two for a CUDA card.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from . import Pair, mix, part, passes_for, planned, rows


class Mixture(NamedTuple):
    """What a step makes of x and m = P_M x, pixel by pixel.

    inside, outside: (a, b) of a·x + b·m where the constraint is satisfied, and where it is not.
    asked: (p, q), the constraint being asked of z = p·x + q·m; None where it is asked more than once.
    pull: what P_S z weighs where z breaks the constraint; 0 for an algorithm that asks no more than whether it does.
    again: where P_M is taken of a·x + b·m once more, the pairs of that, inside and outside, and what it weighs in the step.
    """

    inside: Pair
    outside: Pair
    asked: Pair | None = None
    pull: np.float32 = np.float32(0)
    again: tuple[Pair, Pair, Pair] | None = None


class Loop:
    """Under a plain support."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture, self.own = mixture, False
        self.spare: np.ndarray | None = None

    def modulus(self, problem: Any, x: np.ndarray) -> np.ndarray:
        """P_M x."""
        return np.asarray(problem.fit_modulus(x))

    def update(self, x: np.ndarray, m: np.ndarray, project: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
        """The next x, from the second time on in the place of x, and m."""
        x, to, step, again = self._mine(x), project.support, self.mixture, self.mixture.again
        if again is None:
            return mix(x, m, to, step.inside, step.outside, x), m
        self.spare = np.empty_like(x) if self.spare is None else self.spare
        n = problem.fit_modulus(mix(x, m, to, again[0], again[1], self.spare))
        part("passes").mix_again(rows(x), rows(m), rows(n), rows(to), step.inside, step.outside, again[2])
        return x, m

    def _mine(self, x: np.ndarray) -> np.ndarray:
        """x to write over: a copy at first."""
        x, self.own = x if self.own else x.copy(), True
        return x


class Phased(Loop):
    """Under a range of phases, given as its middle and its half."""

    def update(self, x: np.ndarray, m: np.ndarray, project: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
        """The next x, and P_S m in the place of m."""
        low, high = project.phase
        middle, half = (high + low) / 2, (high - low) / 2
        wedge = tuple(np.float32(f(angle)) for angle in (middle, half) for f in (math.cos, math.sin))
        x, step = self._mine(x), self.mixture
        pairs = (step.inside, step.outside, step.asked)
        part("passes").mix_phased(rows(x), rows(m), rows(project.support), *pairs, step.pull, wedge)
        return x, m


class Positive(Loop):
    """For a real and non-negative object: x and m are float32, and transformed by half spectra."""

    known: tuple[Any, np.ndarray, np.ndarray] | None = None

    def modulus(self, problem: Any, x: np.ndarray) -> np.ndarray:
        """Re P_M x: of a real x, its spectrum times the mean of the gains at q and at −q."""
        threads = problem.operator.fourier
        fast = threads is not None and problem.detector is None and problem.amplitude.dtype == np.float32
        if not fast or planned(x.shape[1:]) is None:
            return np.array(problem.fit_modulus(x.astype(np.complex64)).real)
        if self.known is None or self.known[0] is not problem:
            y, free = np.where(problem.valid, problem.amplitude, 0), ~problem.valid
            self.known = problem, *(_half(a).reshape(x.shape[1], -1) for a in (y, free))
        _, y, free = self.known
        x = np.ascontiguousarray(x.real)
        m, n = np.empty_like(x), x[0].size

        def gain(block: np.ndarray, columns: slice) -> None:
            part("passes").gain(block, columns.start, y, free, np.float32(1 / math.sqrt(n)), np.float32(1 / n))

        part("fftw").through(x, m, gain, x.ndim - 1, threads)
        problem.operator.spend(2 * len(x))
        return m

    def update(self, x: np.ndarray, m: np.ndarray, project: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
        """The next x, and P_S m; the sign, which the data do not tell, is that which is positive inside."""
        x, passes, step = self._mine(x.real), part("passes"), self.mixture
        shown = np.empty(x.shape, np.complex64)
        pairs = (step.inside, step.outside, step.asked)
        passes.mix_positive(rows(x), rows(m), rows(project.support), *pairs, rows(shown))
        return x, shown


def _half(a: np.ndarray) -> np.ndarray:
    """The mean of a(q) and a(−q), float32, on the half of the array that a real object's spectrum has."""
    mirrored = np.roll(np.flip(a), 1, axis=range(a.ndim))
    return np.ascontiguousarray((0.5 * (a.astype(np.float32) + mirrored))[..., : a.shape[-1] // 2 + 1], np.float32)


def loop_for(x: np.ndarray, mixture: Mixture, positive: bool, phase: Any) -> Loop | None:
    """What iterates x (batch, *shape) under this constraint; None where there is nothing."""
    if passes_for(x) is None or ((positive or phase) and mixture.asked is None):
        return None
    return (Positive if positive else Phased if phase else Loop)(mixture)
