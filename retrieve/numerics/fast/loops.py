"""One run's iterations on a CPU: P_M by planned transforms, then one compiled pass from x and m = P_M x to the next x.

A loop's `modulus` gives m. Its `update` gives the next x, mostly in x's memory, and m, or P_S m if the constraint is more
than a support. `card` has the same two for a CUDA card.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import fast
from . import Number, Pair, flat


class SecondProjection(NamedTuple):
    """A second P_M within a step, of a·x + b·m: the pairs (a, b) inside and outside the support, and its weight in the next x."""

    inside: Pair
    outside: Pair
    weights: Pair


class PixelStep(NamedTuple):
    """A step that makes each pixel of the next x from the same pixel of x and of m = P_M x.

    inside, outside: (a, b) of a·x + b·m where the pixel satisfies the constraint, and where it does not.
    tested: (c, d), the pixel satisfies the constraint if c·x + d·m does; None: the step holds under a plain support only.
    constraint_weight: the weight of P_S(c·x + d·m) inside the support where the constraint is not satisfied.
    second_projection: a second P_M that is added.
    """

    inside: Pair
    outside: Pair
    tested: Pair | None = None
    constraint_weight: Number = 0
    second_projection: SecondProjection | None = None

    def single(self) -> PixelStep:
        """The same numbers in single precision, for which the passes are compiled."""
        second = self.second_projection and SecondProjection(*map(_single, self.second_projection))
        tested = self.tested and _single(self.tested)
        return PixelStep(_single(self.inside), _single(self.outside), tested, np.float32(self.constraint_weight), second)


def _single(pair: Pair) -> Pair:
    return np.float32(pair[0]), np.float32(pair[1])


class Loop:
    """Under a plain support."""

    def __init__(self, step: PixelStep) -> None:
        self.step, self.own = step, False
        self.spare: np.ndarray | None = None

    def modulus(self, problem: Any, x: np.ndarray) -> np.ndarray:
        """P_M x."""
        return np.asarray(problem.fit_modulus(x))

    def update(self, x: np.ndarray, m: np.ndarray, project: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
        """The next x, from the second call on in x's memory, and m."""
        x, to, step, second = self._mine(x), project.support, self.step, self.step.second_projection
        if second is None:
            return fast.mix(x, m, to, step.inside, step.outside, x), m
        self.spare = np.empty_like(x) if self.spare is None else self.spare
        n = problem.fit_modulus(fast.mix(x, m, to, second.inside, second.outside, self.spare))
        fast.part("passes").mix_second(flat(x), flat(m), flat(n), flat(to), step.inside, step.outside, second.weights)
        return x, m

    def _mine(self, x: np.ndarray) -> np.ndarray:
        """x to write over: a copy at first."""
        x, self.own = x if self.own else x.copy(), True
        return x


class Phased(Loop):
    """Under a range of phases."""

    def update(self, x: np.ndarray, m: np.ndarray, project: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
        """The next x, and P_S m in m's memory."""
        low, high = project.phase
        middle, half = (high + low) / 2, (high - low) / 2
        wedge = tuple(np.float32(f(angle)) for angle in (middle, half) for f in (math.cos, math.sin))
        x, step = self._mine(x), self.step
        pairs = (step.inside, step.outside, step.tested)
        fast.part("passes").mix_phased(flat(x), flat(m), flat(project.support), *pairs, step.constraint_weight, wedge)
        return x, m


class Positive(Loop):
    """For a real and non-negative object: x and m are float32, and transformed by half spectra."""

    known: tuple[Any, np.ndarray, np.ndarray] | None = None

    def modulus(self, problem: Any, x: np.ndarray) -> np.ndarray:
        """Re P_M x: of a real x, its spectrum times the mean of the gains at q and at −q."""
        threads = problem.operator.fourier
        plain = threads is not None and problem.detector is None and problem.amplitude.dtype == np.float32
        if not plain or fast.planned(x.shape[1:]) is None:
            return np.array(problem.fit_modulus(x.astype(np.complex64)).real)
        if self.known is None or self.known[0] is not problem:
            y, free = np.where(problem.valid, problem.amplitude, 0), ~problem.valid
            self.known = problem, *(_half(a).reshape(x.shape[1], -1) for a in (y, free))
        _, y, free = self.known
        x = np.ascontiguousarray(x.real)
        m, n = np.empty_like(x), x[0].size

        def gain(block: np.ndarray, columns: slice) -> None:
            fast.part("passes").gain(block, columns.start, y, free, np.float32(1 / math.sqrt(n)), np.float32(1 / n))

        fast.part("fftw").transform_and_back(x, m, gain, x.ndim - 1, threads)
        problem.operator.spend(2 * len(x))
        return m

    def update(self, x: np.ndarray, m: np.ndarray, project: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
        """The next x, and P_S m, both with the sign that makes m positive inside the support."""
        x, passes, step = self._mine(x.real), fast.part("passes"), self.step
        shown = np.empty(x.shape, np.complex64)
        pairs = (step.inside, step.outside, step.tested)
        passes.mix_positive(flat(x), flat(m), flat(project.support), *pairs, flat(shown))
        return x, shown


def _half(a: np.ndarray) -> np.ndarray:
    """The mean of a(q) and a(−q), float32, on the half of the array that a real object's spectrum has."""
    mirrored = np.roll(np.flip(a), 1, axis=range(a.ndim))
    return np.ascontiguousarray((0.5 * (a.astype(np.float32) + mirrored))[..., : a.shape[-1] // 2 + 1], np.float32)


def loop_for(x: Any, problem: Any, step: PixelStep, project: Any) -> Any:
    """The loop that iterates x (batch, *shape) by this step under the constraint `project`; None if there is none."""
    constrained = project.positive or project.phase is not None
    if x.__dlpack_device__()[0] == fast.CUDA:
        card = fast.part("card")
        able = card is not None and not constrained and step.second_projection is None and card.CardLoop.able(x, problem)
        return card.CardLoop(x, problem, step) if able else None
    if fast.passes_for(x) is None or (constrained and step.tested is None):
        return None
    return (Positive if project.positive else Phased if constrained else Loop)(step.single())
