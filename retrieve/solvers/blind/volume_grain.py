"""A second grain in three dimensions: bright spots of the pattern's middle that its object does not predict, left out on trial.

The physics is that of `second_grain`. A voxel of a rocking scan has many others around it, so that an own spot comes back to
about half of its counts or more, and another crystal's to a fifth. The middle is then searched again without that spot, from new
random phases. The spot stays out if it is still not predicted and the cost of the voxels that are left rises by a per
cent at most.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.arrays import to_numpy
from ..base import Step
from .levels import Fit
from .second_grain import GrainSpot, SpotLimits, find_grain_spots, predict_spot
from .state import Found, SearchState

VOLUME = SpotLimits(radius=2.2, share=0.3, contrast=2.0, solved=0.5)
"""In three tuning patterns with 2 % of the counts in another crystal, its spot came back to 0.06 to 0.21, own ones to 0.42 on.

A radius of 1.75 gains 0.002 of correlation where it finds the spot, one of 2 to 2.4 gains 0.004 to 0.007.
"""
COST_SLACK = 1.01
"""Cost over that before at which the spot stays out: searches of one pattern end within a per cent of each other."""


class Cleaned(NamedTuple):
    """spots: those left out.  state: the object of the middle without them.  log: sentences on them."""

    spots: Sequence[GrainSpot]
    state: SearchState
    log: list[str]


def leave_out_grains(fit: Fit, start: SearchState, search: Callable[[Fit], Found]) -> Generator[Step, None, Cleaned]:
    """Leave the spots of a second grain out of the middle of a pattern, if there are any, and search it again."""
    speckle = fit.problem.speckle_size
    spots = yield from find_grain_spots(fit.problem, start, speckle, fit.effort, VOLUME)
    if not spots:
        return Cleaned((), start, [])
    inside = np.any([spot.inside for spot in spots], axis=0)
    clean = fit.without(inside)
    again = yield from search(clean)
    before, after = float(clean.score(start.x, start.support, start.by).score[0]), float(again.score[0])
    share = 0.0
    for spot in spots:
        share = max(share, (yield from predict_spot(fit.problem, again, spot, fit.effort))[0])
    counts = float((to_numpy(fit.problem.amplitude)[inside] ** 2).sum() / fit.problem.power)
    at = "; ".join(str(spot.at) for spot in spots)
    line = (
        f"bright spots at {at} px from the peak, {int(inside.sum())} px with {counts:.1%} of the middle's counts: {{}}; "
        f"the object without them predicts {share:.0%} of their counts at most, cost {before:.6g} to {after:.6g}"
    )
    if share <= VOLUME.share and after <= COST_SLACK * before:
        return Cleaned(spots, again, [line.format("a second grain's, left out")])
    return Cleaned((), start, [line.format("left out on trial as a second grain's, and put back")])


def mask_of(spots: Sequence[GrainSpot], speckle: tuple[float, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The spots on a pattern of this shape, bool (*shape), zero frequency first; speckle: its widths there, px."""
    inside = np.zeros(shape, bool)
    for spot in spots:
        radii = [max(VOLUME.radius * width, 3) for width in speckle]
        grid = [((np.fft.fftfreq(n, 1 / n) - at) / r) ** 2 for n, at, r in zip(shape, spot.at, radii, strict=True)]
        inside |= sum(np.meshgrid(*grid, indexing="ij", sparse=True)) <= 1
    return inside
