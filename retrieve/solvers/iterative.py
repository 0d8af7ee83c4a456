"""The engine of the projection algorithms: constraint, support update, one loop.

The algorithms themselves, each a line under its formula, are in `projections`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ..errors import OptionError
from ..numerics import fast
from ..numerics.arrays import Array, like, namespace
from ..numerics.fast.loops import Mixture
from ..operators import Operator, PartialCoherence, richardson_lucy
from ..plugins.options import option, validate
from ..problem import Problem
from ..problem.autocorrelation import ellipsoid
from .base import Solver, Step, Streams
from .shrinkwrap import ShrinkWrap


@dataclass(frozen=True)
class Coherence:
    """Recovery of the coherence kernel during the run. Source: Clark et al., Nat. Commun. 3, 993 (2012)."""

    when: str = option("never", "auto: for data of three axes, where a rocking scan blurs", choices=("auto", "always", "never"))
    every: int = option(30, "iterations between kernel updates", ge=1)
    iterations: int = option(10, "Richardson-Lucy steps an update", ge=1)
    begin: float = option(0.6, "share of the run before the first update", ge=0, lt=1)
    radius: float = option(4.0, "largest extent of the kernel from its centre, detector pixels", gt=0)

    def __post_init__(self) -> None:
        validate(self)

    def check(self, problem: Problem) -> bool:
        """Whether the detector operator can be refined; raises `OptionError` where it cannot and always is asked."""
        able = problem.detector is None or isinstance(problem.detector, PartialCoherence)
        if not able and self.when == "always":
            kind = type(problem.detector).__name__
            raise OptionError(f"coherence.when='always' cannot refine a detector operator of kind {kind}; give never")
        return able

    def first(self, total: int, axes: int) -> float:
        """The iteration of `total` from which on the kernel is updated, on data of so many axes."""
        wanted = self.when == "always" or (self.when == "auto" and axes == 3)
        return self.begin * total if wanted else math.inf

    def refine(self, problem: Problem, x: Array) -> Problem:
        """The problem with the kernel that best blurs |A x|² into the measured intensity."""
        xp = namespace(x)
        f = problem.operator.forward(x)
        shape = tuple(f.shape[1:])
        r2 = sum(
            np.fft.fftfreq(n, 1 / n).reshape([-1 if a == axis else 1 for a in range(len(shape))]) ** 2
            for axis, n in enumerate(shape)
        )
        window = like(np.asarray(r2 <= self.radius**2), f)
        known = problem.detector
        first = like(np.exp(-np.asarray(r2, dtype=np.float32)), xp.real(f))
        kernel = known.kernel if isinstance(known, PartialCoherence) else first
        kernel = richardson_lucy(kernel, xp.abs(f) ** 2, problem.amplitude**2, problem.valid, self.iterations, window)
        return problem.replace(detector=PartialCoherence(kernel, shape))


class Constraint(NamedTuple):
    """What is known of the object: P_S projects on it, `allows` tells the pixels that satisfy it already."""

    support: Array
    positive: bool = False
    phase: tuple[float, float] | None = None

    def __call__(self, m: Array) -> Array:
        """P_S m: zero outside the support; real and non-negative, or nearest phase in range, where asked."""
        xp = namespace(m)
        if self.positive:
            m = xp.astype(xp.clip(xp.real(m), min=0), m.dtype)
        elif self.phase is not None:
            middle, half = sum(self.phase) / 2, (self.phase[1] - self.phase[0]) / 2
            rotated = m * complex(math.cos(middle), -math.sin(middle))
            angle = xp.atan2(xp.imag(rotated), xp.real(rotated))
            edge = middle + half * xp.sign(angle)
            reach = xp.clip(xp.abs(m) * xp.cos(xp.abs(angle) - half), min=0)
            m = xp.where(xp.abs(angle) <= half, m, xp.astype(reach * xp.exp(1j * edge), m.dtype))
        return xp.where(self.support, m, xp.zeros_like(m))

    def allows(self, m: Array) -> Array:
        """Bool (batch, *shape): inside the support, with an allowed phase."""
        xp = namespace(m)
        if self.positive:
            return self.support & (xp.real(m) >= 0)
        if self.phase is not None:
            middle, half = sum(self.phase) / 2, (self.phase[1] - self.phase[0]) / 2
            rotated = m * complex(math.cos(middle), -math.sin(middle))
            return self.support & (xp.abs(xp.atan2(xp.imag(rotated), xp.real(rotated))) <= half)
        return self.support


class _Asked:
    """Stands for the constraint and for the problem in a formula, and keeps what it asks of them."""

    def __init__(self, support: np.ndarray, modulus: np.ndarray) -> None:
        self.support, self.modulus = support, modulus
        self.of_projection: list[np.ndarray] = []
        self.of_phase: list[np.ndarray] = []
        self.of_modulus: list[np.ndarray] = []

    def __call__(self, m: np.ndarray) -> np.ndarray:
        self.of_projection.append(m)
        return np.where(self.support, m, 0)

    def allows(self, m: np.ndarray) -> np.ndarray:
        self.of_phase.append(m)
        return self.support

    def fit_modulus(self, x: np.ndarray) -> np.ndarray:
        self.of_modulus.append(x)
        return self.modulus


class Descent(Solver):
    """A solver that can be a part of a recipe by descending from any x within any support."""

    iterations: int

    @abstractmethod
    def descend(self, problem: Problem, x: Array, support: Array) -> Iterator[Step]:
        """Lower the misfit from x (batch, *shape) within `support`, bool (batch or 1, *shape)."""


@dataclass(frozen=True)
class Iterative(Solver):
    """A projection algorithm: x ← update(x, P_M x) under the constraint, the support shrink-wrapped.

    local: whether `update` makes each pixel of those of x, of m and of what it asks of P_S and, once more, of P_M, of sums of
        these with numbers that stay the same.
    """

    local: ClassVar[bool] = False
    iterations: int = option(500, "number of iterations", ge=1)
    positivity: bool = option(False, "the object is real and non-negative")
    phase_min: float | None = option(None, "lowest phase of the object, rad; with phase_max", ge=-math.pi, le=math.pi)
    phase_max: float | None = option(None, "highest phase of the object, rad; with phase_min", ge=-math.pi, le=math.pi)
    twin_cut: int | None = option(None, "iteration at which half the object is cut away, to break the twin symmetry", ge=1)
    shrink_wrap: ShrinkWrap = ShrinkWrap()
    coherence: Coherence = Coherence()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_phase(self.phase_min, self.phase_max)

    @abstractmethod
    def update(self, x: Array, m: Array, project: Constraint, problem: Problem, t: float) -> Array:
        """The next x from x and m = P_M x, under the constraint P_S = `project`, at the share t of its run."""

    def finish(self, x: Array, support: Array, t: float) -> Array:
        """What becomes of the updated x by more than its own pixels; nothing, for most algorithms."""
        return x

    def mixture(self) -> Mixture:
        """The numbers in a `local` algorithm: what it makes of x, m and a second P_M, each in turn 1 where the others are 0."""
        x, m, n = np.tile(np.eye(3, dtype=np.complex64), 2)[:, None]
        asked = _Asked(np.asarray([[True, True, True, False, False, False]]), n)
        a, b, c, d, e, f = self.update(x, m, asked, asked, 0.0)[0].real  # type: ignore[arg-type]
        again = None
        if asked.of_modulus:
            p, q, _, r, s, _ = asked.of_modulus[0][0].real
            again = (p, q), (r, s), (c, f)
        looked = [*asked.of_projection, *asked.of_phase]
        if len(looked) != 1:
            return Mixture((a, b), (d, e), again=again)
        p, q = looked[0][0, :2].real
        pull = ((a - d) / p if abs(p) > abs(q) else (b - e) / q) if asked.of_projection else np.float32(0)
        return Mixture((a, b), (d, e), (p, q), pull, again)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Run the algorithm alone."""
        return iterate([self], problem, x)

    def batch_for(self, problem: Problem) -> int:
        """As many as are faster than one by one."""
        return fast.together(tuple(problem.shape))

    def constrain(self, support: Array) -> Constraint:
        """What this algorithm knows of the object, with the support as it stands."""
        phase = None if self.phase_min is None or self.phase_max is None else (self.phase_min, self.phase_max)
        return Constraint(support, self.positivity, phase)

    @property
    def total(self) -> int | None:
        """Its iterations."""
        return self.iterations


def _check_phase(low: float | None, high: float | None) -> None:
    if (low is None) != (high is None) or (low is not None and high is not None and low >= high):
        raise OptionError(f"options phase_min={low!r} and phase_max={high!r} go together, the lower first; give both or neither")


def iterate(parts: Sequence[Iterative | Descent], problem: Problem, x: Array, support: Array | None = None) -> Iterator[Step]:
    """Run the `parts` one after the other on the start x (batch, *shape), from a `support` bool (batch or 1, *shape) if given."""
    first, blind = first_support(problem, x) if support is None else (support, problem.support is None)
    support = first
    total = sum(part.iterations for part in parts)
    n, kind = 0, x.dtype
    detector: Operator | None = None  # refined by a part, and kept by those after it
    for part in parts:
        if isinstance(part, Descent):
            for step in part.descend(problem, x, support):
                n, x = n + 1, step.x
                yield step._replace(detector=detector, stage=part.name)
            continue
        x = namespace(x).astype(x, kind, copy=False)
        x = _real(x) if part.positivity else x
        wrap = part.shrink_wrap
        wrapping = wrap.when == "always" or (wrap.when == "auto" and blind)
        project = part.constrain(support)
        plain = not part.positivity and project.phase is None
        quick = fast.loop(x, problem, part.mixture(), project) if part.local else None
        blurred = part.coherence.first(total, x.ndim - 1) if part.coherence.check(problem) else math.inf
        for k in range(part.iterations):
            n += 1
            m = problem.fit_modulus(x) if quick is None else quick.modulus(problem, x)
            m = _real(m) if part.positivity and quick is None else m
            if wrapping and n % wrap.every == 0:
                support = wrap.update(m, support, min(1.0, n / total))
                project = part.constrain(support)
            t = k / part.iterations
            if quick is None:
                x, m = _signed(x, m, support) if part.positivity else (x, m)
                x, m = part.update(x, m, project, problem, t), m if plain else project(m)
            else:
                x, m = quick.update(x, m, project, problem)
            x = part.finish(x, support, t)
            if n == part.twin_cut:
                x = cut_half(x, support)
            if n >= blurred and n % part.coherence.every == 0:
                problem = part.coherence.refine(problem, project(m))
                detector = problem.detector
            yield Step(m, support, detector, part.name, more=n < total)
            del m


def _real(x: Array) -> Array:
    """The real part of x, as complex numbers."""
    xp = namespace(x)
    return xp.astype(xp.real(x), x.dtype)


def _signed(x: Array, m: Array, support: Array) -> tuple[Array, Array]:
    """x and m of a real object, with the sign, which the data do not tell, that is positive inside."""
    xp = namespace(m)
    inside = xp.where(support, m, xp.zeros_like(m))
    total = xp.sum(xp.real(inside), axis=tuple(range(1, m.ndim)), keepdims=True)
    sign = 1 - 2 * xp.astype(total < 0, total.dtype)
    return x * sign, m * sign


def first_support(problem: Problem, x: Array) -> tuple[Array, bool]:
    """The problem's support, or one from the autocorrelation, as bool (1, *shape), and whether it was a guess."""
    if problem.support is not None:
        return problem.support[None, ...], False
    return like(ellipsoid(problem.shape, problem.extent), namespace(x).real(x))[None, ...], True


def cut_half(x: Array, support: Array) -> Array:
    """x with one half of the support's box along its two longest axes set to zero."""
    xp = namespace(x)
    keep = xp.ones_like(support)
    for axis in range(1, min(x.ndim, 3)):
        n = x.shape[axis]
        line = xp.arange(n, device=x.device) >= n // 2
        keep = keep & xp.reshape(line, tuple(n if a == axis else 1 for a in range(x.ndim)))
    return xp.where(keep, x, xp.zeros_like(x))
