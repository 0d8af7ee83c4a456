"""Blind phasing without options: several ways to a support, judged by pixels that the search keeps back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...plugins.options import option
from ...problem import Problem
from ..base import Solver, Step, Streams
from ..gradient import ConjugateGradient
from ..iterative import iterate
from ..recipe import Recipe
from .blur import blur_of, detector_of
from .coarse import crop_pattern, factor_for, interpolate, on_all
from .search import Search
from .state import SearchState, merge, select_row

SHOWN_EVERY = 50
"""Steps of a coarse search between those that are shown on all pixels."""
CUT_RATIO = 4.0
"""R over that in the loose support at which a threshold has cut into the object: less support always fits worse."""


@dataclass(frozen=True)
class Auto(Solver):
    """Reads the pattern, then phases it in ways that err differently, and goes on with what predicts unseen pixels best.

    In two dimensions each start tries, from random phases of its own, (1) HIO in half the autocorrelation's
    support, (2) shrink-wrap by threshold, (3) a sweep of the support's volume from the largest that the
    autocorrelation allows down, each volume scored. The score is √(R · R_free), the latter on pixels that the search
    keeps back from itself. Where two ways agree the start is settled; where not, it goes on from the best in long
    rounds. Last a blur by the beam's coherence is tried, and the widest taken that fits. In three
    dimensions shrink-wrap alone is run, with recovery of the coherence.
    """

    name: ClassVar[str] = "auto"
    source: ClassVar[str] = "Fienup, Crimmins & Holsztynski, JOSA 72, 610 (1982); Marchesini et al., PRB 68, 140101 (2003)"
    starts: ClassVar[int] = 6
    batch: ClassVar[int] = 2
    agree: ClassVar[float] = 0.95
    search: int = option(400, "iterations of HIO in half the autocorrelation's support", ge=1)
    wrapped: int = option(480, "iterations of HIO with shrink-wrap", ge=3)
    levels: int = option(12, "volumes of a sweep; up to twice as many while the smallest are the best", ge=2)
    ratio: float = option(0.86, "each volume of a sweep over the one before", gt=0, lt=1)
    effort: int = option(60, "iterations of HIO a volume", ge=1)
    rounds: int = option(3, "long rounds at most, for a start whose ways do not agree", ge=0)
    length: int = option(800, "iterations of a long round", ge=1)
    members: int = option(8, "searches in the population of a start that is not settled; half as many of a large pattern", ge=1)
    generations: int = option(5, "generations of a population at most", ge=0)
    blurs: int = option(12, "widths of a blur by the beam's coherence that are tried, in two dimensions; 0 for none", ge=0)
    blurred: float = option(0.9, "score over that without at which a narrow blur is kept", gt=0, lt=1)
    aliens: int = option(8, "bright spots that are tried for those of a second grain, in two dimensions; 0 for none", ge=0)
    kept: float = option(0.03, "share of the pixels that the search keeps back to judge by", gt=0, lt=0.5)
    past: float = option(4.0, "score over the best so far at which a sweep ends", gt=1)
    most: int = option(2**17, "pixels up to which the search is on all of the pattern, not on its middle", ge=256)
    settled: float = option(0.95, "correlation at which two ways agree", gt=0, le=1)

    def starts_for(self, problem: Problem) -> int:
        """Six; four in three dimensions or of large patterns."""
        return 4 if len(problem.shape) == 3 or math.prod(problem.shape) > self.most else self.starts

    def batch_for(self, problem: Problem) -> int:
        """Two at a time, or one."""
        size = math.prod(problem.shape)
        return 1 if len(problem.shape) == 3 or size > self.most else self.batch

    def members_for(self, problem: Problem) -> int:
        """How many searches a population has."""
        return self.members if math.prod(problem.shape) <= 2**15 else max(1, self.members // 2)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """The search, on the middle of a large pattern first; the last step is the best that was found."""
        if len(problem.shape) == 3:
            said = ["three axes: shrink-wrap by threshold, the beam's coherence fitted in the last part of the run"]
            for step in Recipe().steps(problem, x, rng):
                yield step._replace(account=[said] * x.shape[0])
            return
        factor = factor_for(problem, self.most)
        if factor == 1:
            yield from Search(self, problem, rng).run(x)
        else:
            yield from self.coarse_to_fine(problem, crop_pattern(problem, factor), rng)

    def coarse_to_fine(self, problem: Problem, coarse: Problem, rng: Streams) -> Iterator[Step]:
        """A search on the middle of the pattern, then all of it from there, the support's volume kept."""
        search = Search(self, coarse, rng)
        inner = search.search(like(to_numpy(self.start(coarse, rng)), problem.amplitude))
        for n in itertools.count():
            try:
                step = next(inner)
            except StopIteration as end:
                best: SearchState = end.value
                break
            if n % SHOWN_EVERY == 0:
                blur = blur_of(search.kernels | search.trying, len(rng), problem)
                yield Step(*interpolate(step.estimate, step.support, coarse, problem), stage=f"coarse, {step.stage}", **blur)
        x, support = interpolate(best.x, best.support, coarse, problem)
        if problem.support is not None:
            support = namespace(support).broadcast_to(problem.support[None, ...], x.shape)
        told = blur_of(search.kernels, len(rng), problem)
        if search.alien is not None:
            told["excluded"] = on_all(search.alien, problem.amplitude.shape)
            problem = problem.without(told["excluded"])
        for b, said in enumerate(search.did):  # one at a time: each keeps a volume of its own
            said.append(f"searched on the middle {' × '.join(map(str, coarse.shape))} px, then on all of the pattern")
            rest = SearchState(x, support, best.score, best.by)
            for one in self.finished(search, b, problem, select_row(rest, b)):
                x, support = merge(rest, np.array([b]), one)[:2]
                yield Step(x, support, stage="all of the pattern", account=search.did, **told)

    def finished(self, search: Search, b: int, problem: Problem, one: SearchState) -> Iterator[SearchState]:
        """Start b on all pixels, from the search on its middle; the last is its end.

        Under a blur that was fitted the object has the sharp edge that a threshold needs, and the support, until then of a
        volume on coarse pixels, is shrunk to it, unless R says that the threshold cuts into the object.
        """
        share = float(to_numpy(one.support).mean())
        if b in search.kernels:
            problem = problem.replace(detector=detector_of({0: search.kernels[b]}, 1, problem))
        parts = search.volume(share, 2.0, self.effort) if problem.support is None else search.fixed(self.effort)
        parts = search.little(search.volumes[b]) if b in search.volumes else parts
        descent = ConjugateGradient(iterations=10 if b in search.volumes else 20)
        for step in iterate([*parts, descent], problem, one.x, one.support):
            one = one._replace(x=step.x, support=step.support)
            yield one
        if b not in search.kernels or problem.support is not None:
            return
        loose, before = one, float(problem.r_factor(step.estimate)[0])
        for step in iterate([*search.wrap(self.effort), descent], problem, one.x, one.support):
            one = one._replace(x=step.x, support=step.support)
            yield one
        if not float(problem.r_factor(step.estimate)[0]) < CUT_RATIO * before:
            search.did[b].append("shrink-wrap by threshold cut into the object there and was undone")
            yield loose
