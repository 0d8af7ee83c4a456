"""Recovery of the coherence kernel. Source: Clark et al., Nat. Commun. 3, 993 (2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..numerics.arrays import Array, like, namespace
from ..operators import Operator, PartialCoherence, richardson_lucy
from ..plugins.options import option, validate
from ..problem import Problem


@dataclass(frozen=True)
class Coherence:
    """Recover the coherence kernel during the run, by Richardson-Lucy steps on |A x|² and the measured intensity."""

    when: str = option("never", "auto: for data of three axes, where a rocking scan blurs", choices=("auto", "always", "never"))
    every: int = option(30, "iterations between kernel updates", ge=1)
    iterations: int = option(10, "Richardson-Lucy steps per update", ge=1)
    begin: float = option(0.6, "share of the run before the first update", ge=0, lt=1)
    radius: float = option(4.0, "largest extent of the kernel from its centre, detector pixels", gt=0)

    def __post_init__(self) -> None:
        validate(self)

    def first(self, total: int, axes: int, detector: Operator | None) -> float:
        """Return the iteration, of `total`, of the first update for data of so many axes; infinity for none.

        Raises `OptionError` if `when` is "always" and the problem's detector operator is not a kernel.
        """
        if detector is not None and not isinstance(detector, PartialCoherence):
            if self.when == "always":
                kind = type(detector).__name__
                raise OptionError(f"coherence.when='always' cannot refine a detector operator of kind {kind}; give never")
            return math.inf
        due = self.when == "always" or (self.when == "auto" and axes == 3)
        return self.begin * total if due else math.inf

    def refine(self, problem: Problem, x: Array) -> Problem:
        """Return the problem with the kernel that best blurs |A x|² into the measured intensity.

        It costs one transform, and as many as `richardson_lucy` (`Operator.spend`).
        """
        xp = namespace(x)
        f = problem.operator.forward(x)
        shape = tuple(f.shape[1:])
        lines = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij", sparse=True)
        r2 = sum(line**2 for line in lines)
        window = like(np.asarray(r2 <= self.radius**2), f)
        known = problem.detector
        first = like(np.exp(-np.asarray(r2, dtype=np.float32)), xp.real(f))
        kernel = known.kernel if isinstance(known, PartialCoherence) else first
        problem.operator.spend((2 + 2 * self.iterations) * f.shape[0])
        kernel = richardson_lucy(kernel, xp.abs(f) ** 2, problem.amplitude**2, problem.valid, self.iterations, window)
        return problem.replace(detector=PartialCoherence(kernel, shape))
