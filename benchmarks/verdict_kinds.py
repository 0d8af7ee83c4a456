"""The kinds of blind runs that the verdict is fitted to and checked on.

Each kind draws its conditions (photons, support, iterations, fault) at random, so that many runs are right and many are wrong.
The same number of the same seed is always the same run. `verdict.py` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from verdict_objects import FAULTS, FLAT, LARGE, VOLUME, Draw, imperfect

import retrieve as rt
from retrieve.solvers import HIO
from retrieve.solvers.base import Solver
from retrieve.solvers.blind.auto import Auto

VOLUME_FAULTS = ("two crystals", "shuffled", "flat", "inverted mask")


class Case(NamedTuple):
    """A problem that knows its truth, a solver, the number of starts (None: the solver's own), and the fault of the data."""

    problem: rt.Problem
    solver: Solver
    starts: int | None
    fault: str = ""


def weak_auto(d: Draw) -> Case:
    """Weakly phased crystals without a support, by `auto`."""
    return Case(d.measured(d.weak_crystal(), d.counts(3.3)), Auto(), None)


def strong_auto(d: Draw) -> Case:
    """Strongly phased crystals without a support, by `auto`."""
    return Case(d.measured(d.strong_crystal(), d.counts(3.3)), Auto(), None)


def weak_recipe(d: Draw) -> Case:
    """Weakly phased crystals without a support, by recipes."""
    return Case(d.measured(d.weak_crystal(), d.counts(3.3)), d.recipe(), d.starts())


def strong_recipe(d: Draw) -> Case:
    """Strongly phased crystals without a support, by recipes."""
    return Case(d.measured(d.strong_crystal(), d.counts(3.3)), d.recipe(), d.starts())


def tight(d: Draw) -> Case:
    """Crystals in their own support, by projections."""
    x = d.weak_crystal() if d.chance(0.5) else d.strong_crystal()
    return Case(d.measured(x, d.counts(3), x != 0), d.projections(), d.starts())


def loose(d: Draw) -> Case:
    """Crystals in a support that is too wide, by projections."""
    x = d.weak_crystal() if d.chance(0.5) else d.strong_crystal()
    return Case(d.measured(x, d.counts(3), d.loose(x)), d.projections(), d.starts())


def wrong(d: Draw) -> Case:
    """Crystals in a support that is too small, moved or turned, by projections."""
    x = d.weak_crystal() if d.chance(0.5) else d.strong_crystal()
    return Case(d.measured(x, d.counts(4), d.wrong(x)), d.projections(), d.starts())


def positive(d: Draw) -> Case:
    """Positive objects in boxes up to three and a half times too wide, by projections with positivity."""
    x = d.real_object()
    return Case(d.measured(x, d.counts(3.5), d.box(x, d.rng.uniform(1.3, 3.7))), d.projections(positivity=True), d.starts())


def positive_wide(d: Draw) -> Case:
    """Positive objects in boxes about three times too wide, by the default HIO with positivity."""
    x = d.real_object()
    return Case(d.measured(x, d.counts(4.5, 7.5), d.box(x, d.rng.uniform(2.3, 3.7))), HIO(positivity=True), d.starts())


def real(d: Draw) -> Case:
    """Real objects in a tight or loose support, or none, by projections, recipes and `auto`, which do not know it."""
    x = d.real_object(positive=d.chance(0.5))
    told = (None, x != 0, d.loose(x))[int(d.rng.integers(3))]
    return Case(d.measured(x, d.counts(3.5), told), d.blind() if told is None else d.projections(), d.starts())


def films(d: Draw) -> Case:
    """Films in their support at noise of 0 to 0.05 of the amplitude, by projections."""
    x = d.film()
    return Case(d.measured(x, {"sigma": float(d.rng.choice([0, 0.005, 0.01, 0.03, 0.05]))}, x != 0), d.projections(), d.starts())


def diffusion(d: Draw) -> Case:
    """Films in their support at noise of 0 to 0.1, by `diffusion`."""
    from retrieve.solvers.learned.diffusion import Diffusion

    x, rng = d.film(), d.rng
    solver = Diffusion(evaluations=int(rng.choice([60, 120])), search=int(rng.choice([300, 1000])))
    return Case(d.measured(x, {"sigma": float(rng.choice([0, 0.02, 0.05, 0.1]))}, x != 0), solver, 4)


def blurred(d: Draw) -> Case:
    """Crystals without a support under a beam that is not coherent, by `auto` and recipes."""
    x = d.weak_crystal() if d.chance(0.6) else d.strong_crystal()
    noise = d.counts(4.3, noiseless=0) | {"coherence": float(d.rng.uniform(0.2, 0.9))}
    return Case(d.measured(x, noise), d.blind(), d.starts())


def holes(d: Draw) -> Case:
    """Crystals with a beam stop, gaps and dead pixels, the support told or not."""
    x = d.weak_crystal() if d.chance(0.6) else d.strong_crystal()
    told = d.loose(x) if d.chance(0.5) else None
    return Case(d.measured(x, d.counts(4) | d.holes(), told), d.blind() if told is None else d.projections(), d.starts())


def uneven(d: Draw) -> Case:
    """Crystals on a detector of uneven gain with a weak background."""
    x = d.weak_crystal() if d.chance(0.6) else d.strong_crystal()
    told = d.loose(x) if d.chance(0.5) else None
    return Case(imperfect(d, x, told), d.blind() if told is None else d.projections(), d.starts())


def hot(d: Draw) -> Case:
    """Crystals and positive objects with hot pixels that are not masked."""
    as_positive = d.chance(0.3)
    x = d.real_object() if as_positive else d.weak_crystal()
    told = d.loose(x) if as_positive or d.chance(0.5) else None
    solver = d.blind() if told is None else d.projections(positivity=as_positive)
    return Case(d.hot(d.measured(x, d.counts(4, 7, 0), told)), solver, d.starts(), "hot pixels")


def spoiled(d: Draw) -> Case:
    """Direct beam left in, mask inverted, centre wrong, pattern shuffled or flat, background left in."""
    fault = FAULTS[d.number % len(FAULTS)]
    real_only = fault == "wrong centre"  # a complex object takes it up as a ramp of its phase
    x = d.real_object() if real_only else d.weak_crystal()
    told = d.loose(x) if real_only or d.chance(0.5) else None
    solver = d.blind() if told is None else d.projections(positivity=real_only)
    return Case(d.spoiled(d.measured(x, d.counts(4, 7, 0), told), fault), solver, d.starts(), fault)


def volume_auto(d: Draw) -> Case:
    """3D crystals without a support, some under a beam that is not coherent or on uneven pixels, by `auto`."""
    x = d.weak_crystal() if d.chance(0.5) else d.strong_crystal()
    if d.chance(0.2):
        return Case(imperfect(d, x, None), Auto(), None)
    blur = {"coherence": float(d.rng.uniform(0.2, 0.9))} if d.chance(0.25) else {}
    return Case(d.measured(x, d.counts(3.7) | blur), Auto(), None)


def volume_recipe(d: Draw) -> Case:
    """3D crystals without a support, by recipes."""
    x = d.weak_crystal() if d.chance(0.5) else d.strong_crystal()
    return Case(d.measured(x, d.counts(3.7)), d.recipe(), int(d.rng.integers(2, 5)))


def volume_given(d: Draw) -> Case:
    """3D crystals in a support that is tight, loose or wrong, by projections."""
    x = d.weak_crystal() if d.chance(0.5) else d.strong_crystal()
    told = (x != 0, d.loose(x), d.wrong(x))[int(d.rng.integers(3))]
    return Case(d.measured(x, d.counts(3.5), told), d.projections(), int(d.rng.integers(2, 5)))


def volume_real(d: Draw) -> Case:
    """3D positive objects in a box that is too wide, by projections with and without positivity."""
    x = d.real_object()
    told = d.box(x, d.rng.uniform(1, 2.5))
    return Case(d.measured(x, d.counts(3.7), told), d.projections(positivity=d.chance(0.7)), int(d.rng.integers(2, 5)))


def volume_blurred(d: Draw) -> Case:
    """3D crystals without a support under a beam that is not coherent, by recipes."""
    x = d.weak_crystal() if d.chance(0.6) else d.strong_crystal()
    noise = d.counts(4.7, noiseless=0) | {"coherence": float(d.rng.uniform(0.2, 0.9))}
    return Case(d.measured(x, noise), d.blind(), int(d.rng.integers(2, 5)))


def volume_uneven(d: Draw) -> Case:
    """3D crystals on a detector of uneven gain with a weak background."""
    x = d.weak_crystal() if d.chance(0.6) else d.strong_crystal()
    told = d.loose(x) if d.chance(0.4) else None
    return Case(imperfect(d, x, told), d.blind() if told is None else d.projections(), int(d.rng.integers(2, 5)))


def volume_spoiled(d: Draw) -> Case:
    """3D patterns with hot pixels or another fault."""
    fault = ("hot pixels", *FAULTS)[d.number % (1 + len(FAULTS))]
    real_only = fault == "wrong centre"
    x = d.real_object() if real_only else d.weak_crystal()
    told = d.loose(x) if real_only or d.chance(0.5) else None
    problem = d.measured(x, d.counts(4.5, 7, 0), told)
    problem = d.hot(problem) if fault == "hot pixels" else d.spoiled(problem, fault)
    return Case(problem, d.blind() if told is None else d.projections(positivity=real_only), int(d.rng.integers(2, 5)), fault)


def volume_large(d: Draw) -> Case:
    """3D crystals of every kind on larger arrays, no support, some under a blurring beam or with holes, by `auto`."""
    noise = d.counts(4.5, noiseless=0)
    if d.chance(0.2):
        noise |= {"coherence": float(d.rng.uniform(0.2, 0.9))}
    elif d.chance(0.25):
        noise |= d.holes()
    return Case(d.measured(d.any_crystal(), noise), Auto(), None)


def volume_faulty(d: Draw) -> Case:
    """3D patterns on larger arrays that no crystal explains, by `auto`."""
    fault = VOLUME_FAULTS[d.number % len(VOLUME_FAULTS)]
    problem = d.measured(d.any_crystal(), d.counts(5, 8, 0))
    return Case(d.with_another(problem) if fault == "two crystals" else d.spoiled(problem, fault), Auto(), None, fault)


def volume_pair(d: Draw) -> Case:
    """Two 3D crystals in one pattern, 0.3 to 1 times as bright, their peaks 2 to 12 px apart, by `auto`."""
    problem = d.measured(d.any_crystal(), d.counts(5, 7, 0))
    return Case(d.with_another(problem, d.rng.uniform(2, 12)), Auto(), None, "two crystals")


KINDS: dict[str, tuple[Callable[[Draw], Case], tuple[int, ...]]] = {
    **{kind.__name__: (kind, FLAT) for kind in (weak_auto, strong_auto, weak_recipe, strong_recipe, tight, loose, wrong)},
    **{
        kind.__name__: (kind, FLAT)
        for kind in (positive, positive_wide, real, films, diffusion, blurred, holes, uneven, hot, spoiled)
    },
    **{kind.__name__: (kind, VOLUME) for kind in (volume_auto, volume_recipe, volume_given, volume_real)},
    **{kind.__name__: (kind, VOLUME) for kind in (volume_blurred, volume_uneven, volume_spoiled)},
    **{kind.__name__: (kind, LARGE) for kind in (volume_large, volume_faulty, volume_pair)},
}
"""Name → how a run is drawn, and the shape of its array."""


def case(kind: str, number: int, seed: int) -> Case:
    """One run of a kind."""
    draw, shape = KINDS[kind]
    return draw(Draw.of(seed, number, shape))
