"""A second grain in the beam: bright spots that do not follow from the rest of the pattern, found by leaving each out in turn.

A weaker crystal adds its own pattern, displaced, to the intensity. The object takes that up as a ripple, and little is left in
the residual. But the object's own spots follow from the pixels around them, since its support is small; another's do not.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...numerics.arrays import like, namespace, to_numpy
from ...problem import Problem
from ..base import Step, random_phases
from ..iterative import iterate
from ..projections import ER
from .search import FIXED, explore, scaled
from .state import SearchContext, SearchState, StartRecord

MOST_SPOTS = 8
"""Bright spots that are tried."""
GRAIN_TRIALS = 2
"""Searches without the spots before they stay: of 96 starts on crystals with a second grain 58 left it out at one, 71 at two."""
SPOT_RADIUS = 1.5
"""Of a spot, in widths of a speckle, at least 3 px; the peak's own is twice as large."""
SPOT_ITERATIONS = 60
"""Of error reduction, after which a spot counts as predicted."""
SPOT_SHARE = 0.5
"""Share of its counts below which a spot is not predicted."""
SPOT_CONTRAST = 5.0
"""An alien spot's misfit over the median of all spots'."""
SOLVED_SHARE = 0.6
"""Median share of the spots' counts that an object predicts at least, if it is a solution at all."""


class SpotLimits(NamedTuple):
    """How large a spot is, in widths of a speckle, and when it is another crystal's: share and contrast as above."""

    radius: float = SPOT_RADIUS
    share: float = SPOT_SHARE
    contrast: float = SPOT_CONTRAST
    solved: float = SOLVED_SHARE


PLANE = SpotLimits()
"""In two dimensions."""


class GrainSpot(NamedTuple):
    """A bright spot.  at: of its middle, from the pattern's peak, in pixels.  inside: bool (*detector), zero frequency first."""

    at: tuple[int, ...]
    inside: NDArray[np.bool_]


def remove_second_grain(context: SearchContext, start: StartRecord) -> Generator[Step, None, tuple[SearchContext, StartRecord]]:
    """Leave the spots of a second grain out of the pattern, if there are any, and explore it anew from new random phases.

    They stay in it if every new object predicts them, or scores worse on the pixels that are left.
    """
    spots = yield from find_grain_spots(context.problem, start.state, context.whole.speckle_size, context.effort)
    if not spots:
        return context, start
    inside = np.any([spot.inside for spot in spots], axis=0)
    clean = SearchContext.of(context.whole.without(inside), context.rng, context.effort, context.held & ~inside)
    before = float(clean.score(start.state.x, start.state.support, start.state.by).score[0])
    counts = float((to_numpy(context.whole.amplitude)[inside] ** 2).sum() / context.whole.power)
    at = "; ".join(str(spot.at) for spot in spots)
    line = f"bright spots at {at} px from the peak, {int(inside.sum())} px with {counts:.1%} of the counts"
    for _ in range(GRAIN_TRIALS):
        again = yield from explore(clean, like(to_numpy(random_phases(clean.problem, clean.rng)), start.state.x))
        share, after = 0.0, float(again.state.score[0])
        for spot in spots:
            share = max(share, (yield from predict_spot(context.problem, again.state, spot, context.effort))[0])
        outcome = f"the object without them predicts {share:.0%} of their counts at most, score {before:.2g} to {after:.2g}"
        if share <= SPOT_SHARE and after <= before:
            log = (*start.log, f"{line}: a second grain's, left out; {outcome}", *again.logs[0])
            return clean, StartRecord(again.state, bool(again.settled[0]), log, excluded=inside)
    return context, start.note(f"{line}: left out on trial as a second grain's, and put back; {outcome}")


def find_grain_spots(
    problem: Problem, state: SearchState, speckle: tuple[float, ...], effort: float, limits: SpotLimits = PLANE
) -> Generator[Step, None, list[GrainSpot]]:
    """The spots that an object does not predict, where it predicts the others.

    A spot is alien that keeps less than a share of its counts once it is left out, with a misfit some times that of the others.
    In two dimensions, with SPOT_SHARE and SPOT_CONTRAST, none was on 40 plain patterns of tuning objects (crystals, strained
    ones, blobs, cells, 10⁴ photons to noiseless). The spot of a crystal with 1 to 5 % of the counts, 8 to 20 px away, at 10⁶
    photons, was in 12 of 12.
    """
    intensity = to_numpy(problem.amplitude) ** 2
    bright = bright_spots(intensity, to_numpy(problem.valid), speckle, radius=limits.radius)
    if len(bright) < 3:  # nothing to compare with
        return []
    shares, misfits = np.zeros((2, len(bright)))
    for k, spot in enumerate(bright):
        shares[k], misfits[k] = yield from predict_spot(problem, state, spot, effort)
    if not np.median(shares) > limits.solved:
        return []
    alien = (shares < limits.share) & (misfits > limits.contrast * np.median(misfits))
    return [spot for spot, so in zip(bright, alien, strict=True) if so]


def predict_spot(
    problem: Problem, state: SearchState, spot: GrainSpot, effort: float
) -> Generator[Step, None, tuple[float, float]]:
    """Predict a spot that the object is not shown: the share of its counts that come back, and the mean of (√P − √I)² in it."""
    xp, seen = namespace(state.x), like(~spot.inside, problem.valid)
    field = problem.operator.forward(xp.where(state.support, state.x, xp.zeros_like(state.x)))
    x = problem.operator.adjoint(xp.where(seen, field, xp.zeros_like(field)))  # without the spot's part of the object
    parts = scaled([ER(iterations=SPOT_ITERATIONS, shrink_wrap=FIXED)], effort)
    step = Step(x, state.support)
    for step in iterate(parts, problem.without(spot.inside), x, state.support):
        yield step._replace(x=state.x, support=state.support, stage="a second grain?")
    counted = to_numpy(problem.valid) & spot.inside
    amplitude, predicted = (to_numpy(a)[..., counted] for a in (problem.amplitude, problem.modulus(step.estimate)))
    return float((predicted**2).sum() / (amplitude**2).sum()), float(((predicted - amplitude) ** 2).mean())


def bright_spots(
    intensity: NDArray[np.floating],
    valid: NDArray[np.bool_],
    speckle: tuple[float, ...],
    most: int = MOST_SPOTS,
    radius: float = SPOT_RADIUS,
) -> list[GrainSpot]:
    """Find the brightest spots apart from the peak of which at least half is measured; arrays have zero frequency first."""
    level = ndimage.gaussian_filter(np.where(valid, intensity, 0), [s / 3 for s in speckle], mode="wrap")
    r = [np.fft.fftfreq(n, 1 / n) / max(radius * s, 3) for n, s in zip(level.shape, speckle, strict=True)]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*r, indexing="ij", sparse=True)))
    disc, level, found = distance <= 1, np.where(distance <= 2, 0, level), list[GrainSpot]()
    while len(found) < most and level.any():
        at = np.unravel_index(int(np.argmax(level)), level.shape)
        inside = np.roll(disc, at, axis=range(level.ndim))
        level = np.where(inside, 0, level)
        if (inside & valid).sum() >= disc.sum() / 2:
            found.append(GrainSpot(tuple(int((a + n // 2) % n - n // 2) for a, n in zip(at, level.shape, strict=True)), inside))
    return found
