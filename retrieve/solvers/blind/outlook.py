"""What share of a start in three dimensions is done: a guess, for those who wait. No result depends on it.

The work of a part of the search is counted as on simulated crystals of 64³ at 10⁶ photons. Within a part the share of its work
rises by 1 − exp(−1.6 steps/usual steps), 0.8 at the usual number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ..base import Step

COARSE_WORK, FIRST_WORK, FURTHER_WORK = 4.5, 1.0, 0.3
"""Of a voxel of the coarsest level, of the first level above it, and of each further one."""
END_SHARE = 0.98
"""Share of the start at which its end begins."""
USUAL_STEPS = {"coarse": 28, "middle": 12, "all": 850, "end": 30}
"""Steps of a part as they are shown."""
RISE = 1.6


def with_shares(steps: Iterator[Step], shapes: Sequence[tuple[int, ...]], effort: float) -> Iterator[Step]:
    """The steps of a start, each with the share that is done.

    Parameters
    ----------
    steps : iterator of Step
        The steps of `phase_volume`.
    shapes : sequence of tuple
        Of the levels, from all of the pattern to the coarsest.
    effort : float
        The factor on the iterations.
    """
    ends, places = ends_of(shapes)
    order = sorted(ends, key=lambda part: ends[part])
    place, begun, count, share = "", 0.0, 0, 0.0
    for step in steps:
        now = place_of(step.stage, places)
        if now != place:
            before = order[: order.index(now)]
            place, begun, count = now, max(share, ends[before[-1]] if before else 0.0), 0
        count += 1
        usual = effort * USUAL_STEPS.get(place, USUAL_STEPS["middle"])
        share = begun + max(0.0, ends[place] - begun) * (1 - math.exp(-RISE * count / usual))
        yield step._replace(share=share)


def place_of(stage: str, places: Mapping[str, str]) -> str:
    """The part of the search that a stage belongs to."""
    head = stage.partition(":")[0]
    if head == "end" or head.startswith("coarse"):
        return head[:6].rstrip(",")
    return places.get(head.removeprefix("middle, "), "all")


def ends_of(shapes: Sequence[tuple[int, ...]]) -> tuple[dict[str, float], dict[str, str]]:
    """The share of the start at which each part ends, and the part of a level by its size in words."""
    *finer, coarsest = shapes
    levels = [*reversed(finer or [coarsest])]
    works = {"coarse": COARSE_WORK * math.prod(coarsest)}
    places = {}
    for k, shape in enumerate(levels):
        words = " × ".join(map(str, shape))
        places[words] = "all" if k == len(levels) - 1 else words
        works[places[words]] = (FURTHER_WORK if k else FIRST_WORK) * math.prod(shape)
    ends, done, total = {"end": 1.0}, 0.0, sum(works.values())
    for part, work in works.items():
        done += work
        ends[part] = END_SHARE * done / total
    return ends, places
