"""A second grain in the beam: bright spots that the rest of the pattern does not ask for, found by leaving each out in turn.

A weaker crystal adds its own pattern, displaced, to the intensity. The object takes that up as a ripple of its own, so that
little is left in the residual; but a spot that is kept from the object shows whose it is. The object's own spots follow
from the pixels around them, since its support is small; another's do not.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...numerics.arrays import like, namespace, to_numpy
from ...problem import Problem
from ..base import Step, random_phases
from ..iterative import iterate
from ..projections import ER
from ..shrinkwrap import ShrinkWrap
from .state import SearchState, select_row

if TYPE_CHECKING:
    from .search import Search

RADIUS = 1.5
"""Of a spot, in widths of a speckle, at least 3 px; the peak's own is twice as large."""
SPOT_ITERATIONS = 60
"""Of error reduction, after which a spot counts as predicted."""
SPOT_SHARE = 0.5
"""Share of its counts below which a spot is not predicted."""
SPOT_CONTRAST = 5.0
"""An alien spot's misfit over the median of all spots'."""
USUAL = 0.6
"""Median share of the spots' counts that an object must predict to tell an alien: else it is no solution yet."""


class GrainSpot(NamedTuple):
    """A bright spot.  at: of its middle, from the pattern's peak, in pixels.  inside: bool (*detector), zero frequency first."""

    at: tuple[int, ...]
    inside: NDArray[np.bool_]


Cleared = Generator[Step, None, tuple["SearchState", NDArray[np.bool_]]]
"""Steps on the way to the starts and whether each is settled, bool (batch,)."""


def remove_second_grain(search: Search, best: SearchState, settled: NDArray[np.bool_]) -> Cleared:
    """The starts as they are where no spot of a second grain is found; else explored anew without it, from new random phases.

    Undone where the new objects predict the spots, or score worse on the pixels that are left. The search
    then goes on on these, and keeps what it left out in `alien`.
    """
    alien = yield from found(search, best)
    if not alien:
        return best, settled
    inside = np.any([spot.inside for spot in alien], axis=0)
    clean = copy.copy(search)
    clean.look(search.whole.without(inside), search.held & ~inside)
    clean.sweeps, clean.did = [], [[] for _ in search.did]
    again, so = yield from clean.explore(like(to_numpy(random_phases(clean.problem, search.rng)), best.x))
    shares = []
    for spot in alien:
        shares.append((yield from predict_spot(search.problem, again, spot))[0])
    first, last = float(clean.scored(best.x, best.support, best.by).score.min()), float(again.score.min())
    counts = float((to_numpy(search.whole.amplitude)[inside] ** 2).sum() / search.whole.power)
    said = (
        f"the spots at {'; '.join(str(spot.at) for spot in alien)} px from the peak, {int(inside.sum())} px with {counts:.1%} "
        f"of the counts, do not follow from the others ({', '.join(f'{share:.0%}' for share in shares)} of their counts do)"
    )
    kept = max(shares) <= SPOT_SHARE and last <= first
    for did, more in zip(search.did, clean.did, strict=True):
        if kept:
            did += [f"{said}: a second grain's, left out, score {first:.2g} to {last:.2g}", *more]
        else:
            did.append(f"{said}; without them the score goes from {first:.2g} to {last:.2g}: they stay")
    if not kept:
        return best, settled
    search.look(clean.whole, clean.held)
    search.alien, search.sweeps = inside, clean.sweeps
    return again, so


def found(search: Search, before: SearchState) -> Generator[Step, None, list[GrainSpot]]:
    """The spots that the best start does not predict, where it predicts the others.

    A spot is alien that keeps less than HALF of its counts once it is left out, with a misfit APART from those of the others.
    On 40 plain patterns of tuning objects (crystals, strained ones, blobs, cells, 10⁴ photons to noiseless) no spot was;
    of a crystal of 1 to 5 % the counts, 8 to 20 px away, at 10⁶ photons, the spot was in 12 of 12.
    """
    problem = search.problem
    bright = spots(to_numpy(problem.amplitude) ** 2, to_numpy(problem.valid), search.whole.speckle_size, search.options.aliens)
    if len(bright) < 3:  # nothing to compare with
        return []
    shares, misfits = np.zeros((2, len(bright)))
    for k, spot in enumerate(bright):
        shares[k], misfits[k] = yield from predict_spot(problem, before, spot)
    if not np.median(shares) > USUAL:
        return []
    return [
        spot
        for spot, so in zip(bright, (shares < SPOT_SHARE) & (misfits > SPOT_CONTRAST * np.median(misfits)), strict=True)
        if so
    ]


def predict_spot(problem: Problem, before: SearchState, spot: GrainSpot) -> Generator[Step, None, tuple[float, float]]:
    """Of a spot that the best start is not shown: the share of its counts that it predicts, and the mean of (√P − √I)² in it."""
    one = select_row(before, int(np.argmin(before.score)))
    xp, seen = namespace(one.x), like(~spot.inside, problem.valid)
    hidden, last = problem.without(spot.inside), Step(one.x, one.support)
    x = problem.operator.forward(xp.where(one.support, one.x, xp.zeros_like(one.x)))
    x = problem.operator.adjoint(xp.where(seen, x, xp.zeros_like(x)))  # what the spot gave the object is let go
    for step in iterate([ER(iterations=SPOT_ITERATIONS, shrink_wrap=ShrinkWrap(when="never"))], hidden, x, one.support):
        last = step
        yield Step(before.x, before.support, stage="a second grain?")
    counted = to_numpy(problem.valid) & spot.inside
    amplitude, predicted = (to_numpy(a)[..., counted] for a in (problem.amplitude, problem.modulus(last.estimate)))
    return float((predicted**2).sum() / (amplitude**2).sum()), float(((predicted - amplitude) ** 2).mean())


def spots(intensity: NDArray[np.floating], valid: NDArray[np.bool_], speckle: tuple[float, ...], most: int) -> list[GrainSpot]:
    """The brightest spots apart from the peak, RADIUS speckles in radius, measured by half at least; zero frequency first."""
    level = ndimage.gaussian_filter(np.where(valid, intensity, 0), [s / 3 for s in speckle], mode="wrap")
    r = [np.fft.fftfreq(n, 1 / n) / max(RADIUS * s, 3) for n, s in zip(level.shape, speckle, strict=True)]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*r, indexing="ij", sparse=True)))
    disc, level, found = distance <= 1, np.where(distance <= 2, 0, level), list[GrainSpot]()
    while len(found) < most and level.any():
        at = np.unravel_index(int(np.argmax(level)), level.shape)
        inside = np.roll(disc, at, axis=range(level.ndim))
        level = np.where(inside, 0, level)
        if (inside & valid).sum() >= disc.sum() / 2:
            found.append(GrainSpot(tuple(int((a + n // 2) % n - n // 2) for a, n in zip(at, level.shape, strict=True)), inside))
    return found
