"""The search behind `auto`: ways to a support that err differently, and what is kept of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...numerics.alignment import align
from ...numerics.arrays import Array, like, namespace, to_numpy
from ...problem import Problem
from ...problem.autocorrelation import islands
from ...problem.scoring import Scorer
from ...problem.survey import Survey, survey
from ..base import Step, Streams, random_phases
from ..gradient import ConjugateGradient
from ..iterative import Descent, Iterative, iterate
from ..projections import ER, HIO
from ..recipe import Recipe
from ..shrinkwrap import ShrinkWrap
from .blur import blur_of, detector_of, fit_kernel
from .breeding import evolve
from .second_grain import remove_second_grain
from .state import Found, SearchState, best_of, merge, take

if TYPE_CHECKING:
    from .auto import Auto

Parts = Sequence[Iterative | Descent]
FIXED = ShrinkWrap(when="never")
CONVERGED_RATIO = 0.1
"""Score over that before the long rounds at which a start has fallen into place: stagnation improves by less."""
HALF_TURN = math.pi / 2
MAX_SUPPORT_SHARE = 0.5
"""Share of the array beyond which no support is looked for: its autocorrelation would wrap."""


Way = Callable[[Array], Found]


class Search:
    """One batch of starts in two dimensions."""

    def __init__(self, options: Auto, problem: Problem, rng: Streams) -> None:
        self.options, self.rng = options, rng
        self.look(problem)
        self.alien: np.ndarray | None = None
        self.resting: tuple[SearchState, np.ndarray] | None = None
        self.thorough = False  # whether sweeps go on where smaller volumes score no better
        self.sweeps: list[tuple[float, SearchState]] = []
        self.volumes: dict[int, float] = {}
        self.kernels: dict[int, Array] = {}
        self.trying: dict[int, Array] = {}  # the kernel under which a start is refined just now
        self.did: list[list[str]] = [
            list(self.seen.words if problem.support is None else ["the support is known"]) for _ in range(len(rng))
        ]

    def look(self, problem: Problem, held: np.ndarray | None = None) -> None:
        """What the pattern tells, and which of its pixels are kept back, where they are not told."""
        self.whole = problem
        self.seen: Survey = survey(problem)
        if held is None:  # the same for every start
            held = islands(to_numpy(problem.valid), problem.speckle_size, self.options.kept, np.random.default_rng(0))
        self.held = held
        self.problem = problem.without(held)
        self.scorer = Scorer(problem, self.problem.valid, like(held, problem.valid))
        self.phase: dict[str, Any] = {"phase_min": -HALF_TURN, "phase_max": HALF_TURN} if self.seen.real else {}
        self.wraps = problem.support is None and self.seen.centre

    # the search ---------------------------------------------------------------------------------

    def run(self, x: Array) -> Iterator[Step]:
        """Ways side by side, long rounds for those starts that need them, a descent on all pixels."""
        best = yield from self.search(x)
        for step in self.polish(best):
            yield step._replace(account=self.did, excluded=self.alien)

    def search(self, x: Array) -> Found:
        """Every start explores; one that is not settled then breeds a population of its own; each is tried with a blur."""
        best, settled = yield from self.explore(x)
        if self.options.aliens and self.problem.detector is None and np.isfinite(best.score).all():
            best, settled = yield from remove_second_grain(self, best, settled)
        if self.options.members > 1:
            for b in np.flatnonzero(~settled):
                best = merge(best, np.array([b]), (yield from evolve(self, int(b), best)))
        loose = np.array([b not in self.volumes for b in range(len(settled))])
        fine = yield from self.refine(best)
        best = best_of([best, fine._replace(score=np.where(loose, fine.score, np.inf))])
        if self.problem.detector is None and np.isfinite(best.score).all():
            for k in range(len(settled)):
                one, kernel = yield from fit_kernel(self, k, best)
                best = merge(best, np.array([k]), one)
                if kernel is not None:
                    self.kernels[k] = kernel
        return best

    def crowd(self, b: int) -> Self:
        """The search of a population of start b, its random numbers those of that start."""
        crowd = copy.copy(self)
        members = self.options.members_for(self.problem)
        crowd.rng, crowd.did = Streams([self.rng.generators[b]] * members), [[] for _ in range(members)]
        crowd.sweeps, crowd.volumes, crowd.kernels, crowd.trying, crowd.resting, crowd.thorough = [], {}, {}, {}, None, True
        return crowd

    def under(self, problem: Problem) -> Self:
        """The same search on a problem that differs in its detector."""
        same = copy.copy(self)
        same.problem = problem
        return same

    def explore(self, x: Array) -> Generator[Step, None, tuple[SearchState, np.ndarray]]:
        """The ways in turn until two agree, start by start; then long rounds until nothing improves.

        Returns the best of each start and whether its ways agreed or its score fell into place, bool (batch,).
        """
        everyone = np.arange(x.shape[0])
        first, second, *others = self.ways()
        best = yield from first(x)
        found = [best]
        agreed = np.zeros(len(everyone), bool)
        for way in (second, *others):
            going = np.flatnonzero(~agreed)
            if not going.size:
                break
            start = like(to_numpy(random_phases(self.problem, self.rng)), x)
            with self.among(best, going):
                part = yield from way(take(start, going))
            found.append(merge(best, going, part))
            agreed[going] = self.agreed(found)[going]
            best = best_of(found)
        for k, so in enumerate(agreed):
            self.did[k].append(f"{best.by[k]} scored best of {len(found)} ways; " + ("two ways agree" if so else "no two agree"))
        settled, first_score = agreed.copy(), best.score
        for rounds in range(1, self.options.rounds + 1):
            going = np.flatnonzero(~agreed)
            if not going.size:
                break
            before = best
            with self.among(best, going):
                x, support = take(best.x, going), take(best.support, going)
                part = yield from self.long_round(
                    SearchState(x, support, best.score[going], tuple(best.by[int(b)] for b in going))
                )
            best = merge(best, going, part)
            for b in going:
                self.did[b].append(f"long round {rounds}: score {before.score[b]:.2g} to {best.score[b]:.2g}")
            agreed |= best.score > 0.7 * before.score  # it no longer improves
        return best, settled | (best.score < CONVERGED_RATIO * first_score)

    @contextmanager
    def among(self, best: SearchState, going: np.ndarray) -> Iterator[None]:
        """Meanwhile the steps of these starts are shown with the others at rest."""
        self.resting = None if len(going) == best.x.shape[0] else (best, going)
        try:
            yield
        finally:
            self.resting = None

    def ways(self) -> list[Way]:
        """The ways that this pattern allows."""
        if self.problem.support is not None:
            return [self.known, self.known]
        if not self.seen.centre:  # without its lowest frequencies an object has no level to cut at
            return [self.swept, self.swept]
        cut = [self.halved] * (self.seen.half is not None) + [self.wrapped]
        return [self.swept, *cut] if self.seen.real else [*cut, self.swept]

    def known(self, x: Array) -> Found:
        """HIO in the support that is known."""
        support = to_numpy(self.problem.support)[None, ...]
        support = like(support, self.problem.valid)
        return (yield from self.through("the known support", self.fixed(self.options.search), x, support))

    def halved(self, x: Array) -> Found:
        """HIO in half the autocorrelation, then shrink-wrap from there where that scores better."""
        support = like(self.seen.half, self.problem.valid)[None, ...]
        first = yield from self.through("half the autocorrelation", self.fixed(self.options.search), x, support)
        second = yield from self.through(
            "half the autocorrelation, then shrink-wrap", self.wrap(max(1, 3 * self.options.search // 10)), first.x, first.support
        )
        return best_of([first, second])

    def wrapped(self, x: Array) -> Found:
        """Shrink-wrap by threshold, as the default recipe does."""
        parts = Recipe(recipe=f"20 er + 3*({self.options.wrapped // 3} hio + 40 er)").parts()
        return (yield from self.through("shrink-wrap", parts, x, None))

    def swept(self, x: Array) -> Found:
        """Volumes from large to small, each from where the last one ended; further than planned while that helps."""
        top, support = 1.15 * self.seen.volume / math.prod(self.problem.shape), None
        states: list[SearchState] = []
        past = np.zeros(x.shape[0], bool)
        last = self.options.levels - 1
        for k in range(2 * self.options.levels):
            share = min(MAX_SUPPORT_SHARE, top * self.options.ratio**k)
            sigma = 2.5 * 0.4 ** min(1.0, k / last)
            parts = self.volume(share, sigma, self.options.effort)
            state = yield from self.through(f"a volume of {share * math.prod(self.problem.shape):.0f} px", parts, x, support)
            past |= state.score > self.options.past * best_of([*states, state]).score
            states.append(state._replace(score=np.where(past, np.inf, state.score)))
            if k >= last and not self.thorough:
                past |= np.argmin([s.score for s in states], axis=0) < k - 1
            x, support = state.x, state.support
            if past.all():
                break
            self.sweeps.append((share, state))
        return best_of(states)

    def long_round(self, best: SearchState) -> Found:
        """From the best: long in its support, then with shrink-wrap; the best of the three is kept."""
        first = yield from self.through("a long run from there", self.fixed(self.options.length), best.x, best.support)
        if not self.wraps:
            return best_of([best, first])
        second = yield from self.through(
            "shrink-wrap from there", self.wrap(max(1, self.options.length // 4)), first.x, first.support
        )
        return best_of([best, first, second])

    def refine(self, best: SearchState) -> Found:
        """A short run with shrink-wrap, and one in the support; kept where they score better."""
        first = yield from self.through(best.by, self.fixed(max(1, self.options.search // 5)), best.x, best.support)
        if not self.wraps:
            return best_of([best, first])
        second = yield from self.through(best.by, self.wrap(max(1, self.options.search // 5)), best.x, best.support)
        return best_of([best, first, second])

    def polish(self, best: SearchState) -> Iterator[Step]:
        """Error reduction and conjugate gradients on all pixels, under each start's blur if it has one."""
        detector = detector_of(self.kernels, len(best.score), self.whole)
        whole = self.whole if detector is None else self.whole.replace(detector=detector)
        blur: dict[str, Any] = {} if detector is None else {"detector": detector}
        for step in iterate([ER(iterations=30, shrink_wrap=FIXED), ConjugateGradient(iterations=30)],
                            whole, best.x, best.support):  # fmt: skip
            yield step._replace(stage="polish", **blur)

    # parts --------------------------------------------------------------------------------------

    def little(self, share: float) -> Parts:
        """Little of error reduction at a volume, for a mean: it takes in what is missing and stays a mean."""
        wrap = ShrinkWrap(when="always", every=5, sigma=2.0, sigma_end=2.0, area=share)
        return [ER(iterations=5, shrink_wrap=wrap, **self.phase)]

    def again(self, b: int) -> Parts:
        """A short run of start b from where it stands, in its support, or at its volume if it has one."""
        if b not in self.volumes:
            return self.fixed(self.options.effort)
        return self.volume(self.volumes[b], 1.0, self.options.effort)

    def fixed(self, n: int) -> Parts:
        """HIO and ER in a support that stays."""
        return [HIO(iterations=n, shrink_wrap=FIXED), ER(iterations=50, shrink_wrap=FIXED)]

    def wrap(self, n: int) -> Parts:
        """HIO and ER, the support at a tenth of the maximum."""
        wrap = ShrinkWrap(when="always", every=5, sigma=1.2, sigma_end=1.0)
        return [HIO(iterations=n, shrink_wrap=wrap), ER(iterations=40, shrink_wrap=wrap)]

    def volume(self, share: float, sigma: float, n: int) -> Parts:
        """HIO with a support of this share of the array, then ER in it."""
        wrap = ShrinkWrap(when="always", every=10, sigma=sigma, sigma_end=sigma, area=min(MAX_SUPPORT_SHARE, share))
        return [HIO(iterations=n, shrink_wrap=wrap, **self.phase), ER(iterations=15, shrink_wrap=FIXED, **self.phase)]

    # bookkeeping --------------------------------------------------------------------------------

    def through(self, by: str | tuple[str, ...], parts: Parts, x: Array, support: Array | None) -> Found:
        """Run the parts and score their end."""
        xp = namespace(x)
        batch = x.shape[0] if self.resting is None else self.resting[0].x.shape[0]
        blur = blur_of(self.kernels | self.trying, batch, self.whole)
        stage = by if isinstance(by, str) else "refine"
        step = Step(x)
        for step in iterate(parts, self.problem, x, support):
            shown = step
            if self.resting is not None:
                part = SearchState(step.x, xp.broadcast_to(step.support, step.x.shape), np.zeros(len(self.resting[1])), ())
                shown = Step(*merge(*self.resting, part)[:2])
            yield shown._replace(stage=stage, **blur)
        names = (by,) * step.x.shape[0] if isinstance(by, str) else by
        return self.scored(step.estimate, step.support, names)

    def scored(self, x: Array, support: Array, by: tuple[str, ...]) -> SearchState:
        """A state of x and support (batch, *shape) with its scores, √(R · R_free)."""
        r, free = self.scorer(x, self.problem.detector)
        score = np.where(np.isfinite(r * free), np.sqrt(np.abs(r * free)), np.inf)
        return SearchState(x, namespace(x).broadcast_to(support, x.shape), score, by)

    def agreed(self, found: Sequence[SearchState]) -> np.ndarray:
        """Whether the two best of its ways found one object, (batch,)."""
        scores = np.stack([state.score for state in found])
        so = np.zeros(scores.shape[1], bool)
        for b, order in enumerate(np.argsort(scores, axis=0, kind="stable").T):
            one, other = (np.nan_to_num(to_numpy(found[k].x[b, ...])) for k in order[:2])
            so[b] = align(one, other, subpixel=1).correlation >= self.options.settled
        return so
