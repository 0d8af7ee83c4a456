"""`auto`, the default solver: blind phasing in stages, each start by itself."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...plugins.options import option
from ...problem import Problem
from ..base import Solver, Step, Streams
from .blur import fit_kernel
from .breeding import evolve
from .coarse import crop_pattern, detector_of, factor_for, finish, on_all_pixels
from .levels import levels_of
from .outlook import with_shares
from .search import explore_start, polish, refine_start
from .second_grain import remove_second_grain
from .state import SearchContext, StartRecord, relay
from .volume import phase_volume

COARSE_ABOVE = 2**17
"""Pixels above which a pattern is searched on its middle."""
FORMER_OPTIONS: dict[str, str | None] = {
    "blurs": "coherence",
    "aliens": "second_grain",
    **dict.fromkeys(("search", "wrapped", "levels", "ratio", "rounds", "length", "members", "generations")),
    **dict.fromkeys(("blurred", "kept", "past", "most", "settled")),
}
"""Former options with the names of today; None for those that are constants of the stages now."""
FORMER_EFFORT = 20
"""An effort from here on is one of the former option of that name: iterations of HIO a volume, 60 by default."""


def auto_or_never(count: Any) -> str:
    """The choice that stands for a former number of trials."""
    return "auto" if float(count) else "never"


@dataclass(frozen=True)
class Auto(Solver):
    """Phase a pattern without knowing the support, in stages that are judged by pixels kept back from the search.

    In two dimensions each start goes three ways, from random phases of its own: (1) HIO in half the autocorrelation's support,
    (2) shrink-wrap by threshold, (3) a sweep of the support's volume, from the largest that the autocorrelation allows down.
    The score of an object is √(R · R_free), with R_free on the pixels kept back. A start is settled if two ways agree. If none
    agree, long runs follow from the best object, then a population of searches. Spots of a second grain are left out, and
    the widest blur by the beam's coherence that fits is kept. In three dimensions several starts are searched on the middle of
    the pattern, and the best goes on on all of it. There the support follows a threshold, which is chosen by the likelihood and
    the number of voxels.
    """

    name: ClassVar[str] = "auto"
    source: ClassVar[str] = "Fienup, Crimmins & Holsztynski, JOSA 72, 610 (1982); Marchesini et al., PRB 68, 140101 (2003)"
    starts: ClassVar[int] = 6
    agree: ClassVar[float] = 0.95
    averaging: ClassVar[str] = "agreeing"
    uses_start: ClassVar[bool] = False
    RENAMED: ClassVar[Mapping[str, str | None]] = FORMER_OPTIONS
    FORMER_VALUES: ClassVar[Mapping[str, Callable[[Any], str]]] = {"blurs": auto_or_never, "aliens": auto_or_never}
    effort: float = option(1.0, "factor on the iterations of every stage, below 20", gt=0)
    coherence: str = option("auto", "auto: a blur by the beam's coherence is tried", choices=("auto", "never"))
    second_grain: str = option("auto", "auto: bright spots of a second grain are looked for", choices=("auto", "never"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.effort >= FORMER_EFFORT:
            warnings.warn(
                f"effort={self.effort:g} is taken for the former option, iterations a volume, and 1 is used; effort is now a "
                f"factor on all iterations: give one below {FORMER_EFFORT}",
                FutureWarning,
                stacklevel=4,
            )
            object.__setattr__(self, "effort", 1.0)

    def starts_for(self, problem: Problem) -> int:
        """Six; four in three dimensions or of large patterns."""
        return 4 if len(problem.shape) == 3 or math.prod(problem.shape) > COARSE_ABOVE else self.starts

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Search each start by itself; the last step is the best that was found."""
        streams = [Streams([generator]) for generator in rng.generators]
        if len(problem.shape) == 3:
            rows = enumerate(streams)
            options = (self.effort, self.coherence, self.second_grain)
            levels = levels_of(problem)
            shapes = [tuple(level.shape) for level in levels]
            searched = (phase_volume(levels, x[b : b + 1, ...], stream, *options) for b, stream in rows)
            runs = [with_shares(steps, shapes, self.effort) for steps in searched]
            return side_by_side(runs, problem)
        factor = factor_for(problem, COARSE_ABOVE)
        if factor == 1:
            runs = [self.run(problem, x[b : b + 1, ...], stream) for b, stream in enumerate(streams)]
        else:
            coarse = crop_pattern(problem, factor)
            runs = [self.run_coarse_to_fine(problem, coarse, stream) for stream in streams]
        return side_by_side(runs, problem)

    def run(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """One start x (1, *shape) on all pixels of a pattern."""
        context, start = yield from self.search(SearchContext.of(problem, rng, self.effort), x)
        for step in polish(context, start):
            yield step._replace(account=[start.log], excluded=start.excluded)

    def search(self, context: SearchContext, x: Array) -> Generator[Step, None, tuple[SearchContext, StartRecord]]:
        """The stages of one start x (1, *shape). Returns the context of the pixels that are left, and the start's record."""
        start = yield from explore_start(context, x)
        known_blur = context.problem.detector is not None
        if self.second_grain == "auto" and not known_blur and start.is_finite:
            context, start = yield from remove_second_grain(context, start)
        if not start.settled:
            start = yield from evolve(context, start)
        if start.volume is None:
            start = yield from refine_start(context, start)
        if self.coherence == "auto" and not known_blur and start.is_finite:
            start = yield from fit_kernel(context, start)
        return context, start

    def run_coarse_to_fine(self, problem: Problem, coarse: Problem, rng: Streams) -> Iterator[Step]:
        """One start on the middle of a pattern, then on all of it from there."""
        x = like(to_numpy(self.start(coarse, rng)), problem.amplitude)
        inner = self.search(SearchContext.of(coarse, rng, self.effort), x)
        context, start = yield from relay(inner, on_all_pixels(coarse, problem))
        yield from finish(context, start, problem)


def side_by_side(runs: Sequence[Iterator[Step]], problem: Problem) -> Iterator[Step]:
    """Runs of one start each as the run of a batch: a step of each at a time. A run that has ended rests."""
    if len(runs) == 1:
        yield from runs[0]
        return
    last: dict[int, Step] = {}
    for steps in itertools.zip_longest(*runs):
        moved = {b: step for b, step in enumerate(steps) if step is not None}
        last |= moved
        each = [last[b] for b in range(len(runs))]
        xp = namespace(each[0].x)
        excluded = [step.excluded for step in each if step.excluded is not None]
        yield Step(
            xp.concat([step.x for step in each]),
            xp.concat([xp.broadcast_to(step.support, step.x.shape) for step in each]),
            detector_of([getattr(step.detector, "kernel", None) for step in each], problem),
            next(iter(moved.values())).stage,
            account=[log for step in each for log in step.account or [()]],
            excluded=np.any(excluded, axis=0) if excluded else None,
            share=min((step.share for step in each if step.share is not None), default=None),
        )
