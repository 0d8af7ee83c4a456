"""The engine of the projection algorithms: options, and one loop.

The algorithms themselves, each under its formula, are in `projections`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import ClassVar

from ..errors import OptionError
from ..numerics import fast
from ..numerics.arrays import Array, like, namespace
from ..numerics.fast.loops import PixelStep, loop_for
from ..operators import Operator
from ..plugins.options import option
from ..problem import Problem
from ..problem.autocorrelation import ellipsoid
from ..problem.likelihood import Poisson
from .base import Solver, Step, Streams
from .coefficients import Coefficients
from .coherence import Coherence
from .constraint import Constraint
from .convergence import PATIENCE, TOLERANCE, Convergence
from .shrinkwrap import ShrinkWrap

FIT = "exact: the measured modulus; counts: as near to it as counting noise asks, which is for the end of a run"
TWIN_CUT = (
    "iteration after which half the array is set to zero once, to break the symmetry of object and twin, "
    "unless the start is an earlier object"
)


class Descent(Solver):
    """A solver that can be a part of a recipe by descending from any x within any support."""

    iterations: int
    tolerance: float = 0.0
    patience: int = 100

    @abstractmethod
    def descend(self, problem: Problem, x: Array, support: Array) -> Iterator[Step]:
        """Lower the misfit from x (batch, *shape) within `support`, bool (batch or 1, *shape)."""


@dataclass(frozen=True)
class Iterative(Solver):
    """A projection algorithm: x ← update(x, P_M x) under the constraint P_S, with shrink-wrap and coherence recovery.

    A subclass declares `coefficients`, or defines `update` if its formula is not of that form. Declared coefficients run as
    one compiled pass over the pixels; an `update` runs as it is written. `finish_transforms` is the cost of `finish` for each
    start, in the unit of `Operator.spend`.
    """

    finish_transforms: ClassVar[int] = 0
    iterations: int = option(500, "number of iterations", ge=1)
    positivity: bool = option(False, "the object is real and non-negative")
    phase_min: float | None = option(None, "lowest phase of the object, rad; with phase_max", ge=-math.pi, le=math.pi)
    phase_max: float | None = option(None, "highest phase of the object, rad; with phase_min", ge=-math.pi, le=math.pi)
    tolerance: float = option(0.0, TOLERANCE, ge=0, lt=1)
    patience: int = option(100, PATIENCE, ge=1)
    twin_cut: int | None = option(None, TWIN_CUT, ge=1)
    fit: str = option("exact", FIT, choices=("exact", "counts"))
    shrink_wrap: ShrinkWrap = ShrinkWrap()
    coherence: Coherence = Coherence()

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.phase_min, self.phase_max
        if (low is None) != (high is None) or (low is not None and high is not None and low >= high):
            raise OptionError(
                f"options phase_min={low!r} and phase_max={high!r} go together, the lower first; give both or neither"
            )

    def coefficients(self) -> Coefficients | None:
        """Return the five numbers of the update; None if the formula is not of that form."""
        return None

    def pixelwise(self) -> PixelStep | None:
        """Return the update for the compiled pass; None if only `update` can do it."""
        numbers = self.coefficients()
        return None if numbers is None else numbers.pixelwise()

    def compiled(self) -> PixelStep | None:
        """Return `pixelwise`, unless a subclass replaced `update` alone: its formula is not the inherited one."""
        names = {"update", "coefficients", "pixelwise"}
        own = next(found for kind in type(self).__mro__ if (found := names & vars(kind).keys()))
        return None if own == {"update"} else self.pixelwise()

    def update(self, x: Array, m: Array, project: Constraint, problem: Problem, t: float) -> Array:
        """Return the next x from x and m = P_M x, under P_S = `project`, at the share t of this algorithm's iterations.

        An update with one more parameter, `rng`, gets the `Streams` of the starts, to draw random numbers.
        """
        numbers = self.coefficients()
        if numbers is None:
            raise NotImplementedError(f"{type(self).__name__} has neither coefficients nor an update; define one of them")
        return numbers.update(x, m, project)

    def finish(self, x: Array, support: Array, t: float) -> Array:
        """Return what the updated x becomes by work that is not pixel by pixel, such as a filter."""
        return x

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Run the algorithm alone."""
        support, earlier = begun_support(problem, x)
        return iterate([replace(self, twin_cut=None) if earlier else self], problem, x, support, rng=rng)

    def batch_for(self, problem: Problem) -> int:
        """Return as many starts as are faster together than one by one."""
        return batch_for(problem, self.tolerance)

    def shrink_wraps(self) -> Mapping[str, ShrinkWrap]:
        """Return its own."""
        return {"shrink_wrap": self.shrink_wrap}

    def tempered(self, problem: Problem, x: Array) -> Array:
        """What P_M x is for counts: the proximal step of their Poisson likelihood, R = v/10 + √(v²/100 + 4I/5) for a modulus v.

        It is the one at an uncertainty of √2 a count, whatever the counts' unit.
        """
        threads, m = problem.operator.fourier, None
        if threads is not None and problem.detector is None:
            m = fast.fit_modulus(x, problem.amplitude, problem.valid, threads, root=(0.1, 0.8))
        if m is None:
            m = problem.replace(likelihood=Poisson()).proximal(x, math.sqrt(2))
        else:
            problem.operator.spend(2 * len(x))
        return _real(m) if self.positivity else m

    def constrain(self, support: Array) -> Constraint:
        """Return the constraint with this support, bool (batch or 1, *shape)."""
        phase = None if self.phase_min is None or self.phase_max is None else (self.phase_min, self.phase_max)
        return Constraint(support, self.positivity, phase)

    @property
    def total(self) -> int | None:
        """Its iterations."""
        return self.iterations


def batch_for(problem: Problem, tolerance: float) -> int:
    """As many starts as are faster together than one by one; 1 if each may end by itself."""
    return 1 if tolerance else fast.preferred_batch(tuple(problem.shape))


def iterate(
    parts: Sequence[Iterative | Descent],
    problem: Problem,
    x: Array,
    support: Array | None = None,
    twin_cut: int | None = None,
    rng: Streams | None = None,
) -> Iterator[Step]:
    """Run the `parts` in sequence from x (batch, *shape), first within `support`, bool (batch or 1, *shape), if given.

    A part that converges ends early, and the next begins. The total of iterations shrinks by those left out. `twin_cut`
    is an iteration of the whole run; one that a part states is an iteration of that part. `rng` is for an `update` that draws.
    """
    if support is None:
        support = first_support(problem, x)[0]
    blind = problem.support is None
    total = sum(part.iterations for part in parts)
    n, kind = 0, x.dtype
    detector: Operator | None = None  # refined by a part, and kept by those after it
    for part in parts:
        watch = Convergence(part.tolerance, part.patience) if part.tolerance else None
        if isinstance(part, Descent):
            for k, made in enumerate(part.descend(problem, x, support), start=1):
                n, x = n + 1, made.x
                over = watch is not None and watch.reached(k, problem, made.estimate)
                if over:
                    total -= part.iterations - k
                yield made._replace(detector=detector, stage=part.name, total=total if over else None)
                if over:
                    break
            continue
        x = namespace(x).astype(x, kind, copy=False)
        x = _real(x) if part.positivity else x
        wrap = part.shrink_wrap
        wrapping = wrap.when == "always" or (wrap.when == "auto" and blind)
        project = part.constrain(support)
        step = part.compiled() if part.fit == "exact" or fast.passes_for(x) is not None else None
        loop = (None if step is None else loop_for(x, problem, step, project)) or _AsWritten(part, rng)
        blurred = part.coherence.first(total, len(problem.shape), problem.detector)
        finishing = part.finish_transforms * x.shape[0]
        cuts = [at - 1 for at in (part.twin_cut, None if twin_cut is None else twin_cut - n) if at is not None]
        for k in range(part.iterations):
            n += 1
            m = loop.modulus(problem, x) if part.fit == "exact" else part.tempered(problem, x)
            if wrapping and n % wrap.every == 0:
                support = wrap.update(m, support, min(1.0, n / total))
                problem.operator.spend(x.shape[0])
                project = part.constrain(support)
            x, m = loop.update(x, m, project, problem)
            x = part.finish(x, support, k / part.iterations)
            if finishing:
                problem.operator.spend(finishing)
            if k in cuts:
                x = cut_half(x)
            if n >= blurred and n % part.coherence.every == 0:
                problem = part.coherence.refine(problem, project(m))
                detector = problem.detector
            over = watch is not None and watch.reached(k + 1, problem, Step(m, support).estimate)
            if over:
                total -= part.iterations - k - 1
            yield Step(m, support, detector, part.name, total if over else None, more=n < total)
            del m
            if over:
                break


class _AsWritten:
    """The iterations of an algorithm by its `update`, with the two methods of `fast.loops.Loop`."""

    def __init__(self, part: Iterative, rng: Streams | None) -> None:
        self.part, self.done = part, 0
        self.more = {"rng": rng} if "rng" in signature(part.update).parameters else {}

    def modulus(self, problem: Problem, x: Array) -> Array:
        """P_M x, its real part if the object is positive."""
        m = problem.fit_modulus(x)
        return _real(m) if self.part.positivity else m

    def update(self, x: Array, m: Array, project: Constraint, problem: Problem) -> tuple[Array, Array]:
        """The next x, and m, or P_S m if the constraint is more than a support."""
        t, self.done = self.done / self.part.iterations, self.done + 1
        if project.positive:
            x, m = _signed(x, m, project.support)
        plain = not project.positive and project.phase is None
        return self.part.update(x, m, project, problem, t, **self.more), m if plain else project(m)


def _real(x: Array) -> Array:
    """The real part of x, as complex numbers."""
    xp = namespace(x)
    return xp.astype(xp.real(x), x.dtype)


def _signed(x: Array, m: Array, support: Array) -> tuple[Array, Array]:
    """x and m of a real object with the sign that makes m positive inside the support; the data do not determine it."""
    xp = namespace(m)
    inside = xp.where(support, m, xp.zeros_like(m))
    total = xp.sum(xp.real(inside), axis=tuple(range(1, m.ndim)), keepdims=True)
    sign = 1 - 2 * xp.astype(total < 0, total.dtype)
    return x * sign, m * sign


def first_support(problem: Problem, x: Array) -> tuple[Array, bool]:
    """Return a support to begin with, and whether it is a guess.

    Parameters
    ----------
    problem : Problem
        Its support is taken if known. Otherwise an ellipsoid is taken from the autocorrelation.
    x : Array
        The start (batch, *shape), whose library and device the support gets.

    Returns
    -------
    support : Array
        The support, bool (1, *shape).
    guess : bool
        True if the problem has no support.
    """
    if problem.support is not None:
        return problem.support[None, ...], False
    return like(ellipsoid(problem.shape, problem.extent), namespace(x).real(x))[None, ...], True


def begun_support(problem: Problem, x: Array) -> tuple[Array, bool]:
    """Return the support to begin with from given starts x (batch, *shape), and whether all are earlier objects.

    An earlier object is zero on half of the array or more. It begins within the rest, unless the problem has a support. Any
    other start begins within the support of `first_support`. The support is bool (batch or 1, *shape).
    """
    support, guess = first_support(problem, x)
    xp = namespace(x)
    inside = x != 0
    share = xp.mean(xp.astype(inside, xp.float32), axis=tuple(range(1, x.ndim)), keepdims=True)
    earlier = (share > 0) & (share <= 0.5)
    if guess and bool(xp.any(earlier)):
        support = xp.where(earlier, inside, support)
    return support, bool(xp.all(earlier))


def cut_half(x: Array) -> Array:
    """x (batch, *shape) with the first half along its longest axis set to zero."""
    xp, shape = namespace(x), x.shape[1:]
    axis = 1 + shape.index(max(shape))
    n = x.shape[axis]
    keep = xp.reshape(xp.arange(n, device=x.device) >= n // 2, tuple(n if a == axis else 1 for a in range(x.ndim)))
    return xp.where(keep, x, xp.zeros_like(x))
