"""Guided phasing: generations of starts, each averaged with the best. Source: Chen et al., PRB 76, 064113 (2007)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..numerics.alignment import ALIGNMENT_TRANSFORMS, align
from ..numerics.arrays import Array, like, namespace, to_numpy
from ..plugins.options import option
from ..problem import Problem
from .base import Solver, Step, Streams
from .iterative import begun_support, first_support, iterate
from .recipe import Recipe
from .shrinkwrap import ShrinkWrap


@dataclass(frozen=True)
class Guided(Solver):
    """Run a population through the recipe, average each member with the best, and run the next generation.

    x_k ← √(x_best · x_k) pixel by pixel after alignment: the geometric mean of the amplitudes and the mean of the phases. Each
    member runs with a support of its own. The last step is the best.
    """

    name: ClassVar[str] = "guided"
    source: ClassVar[str] = "Chen, Miao, Wang & Lee, PRB 76, 064113 (2007)"
    population: int = option(4, "members of a generation", ge=2)
    generations: int = option(3, "generations", ge=1)
    criterion: str = option("r", "what makes a member the best", choices=("r", "sharpness"))
    recipe: Recipe = Recipe()

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Run all members of each generation in turn; x is the first member, the others start at random."""
        members = [x] + [self.start(problem, rng) for _ in range(self.population - 1)]
        ends: list[Step] = []  # of the members of this generation, and the best so far
        for generation in range(self.generations):
            if generation:
                champion = self._best(problem, ends)
                problem.operator.spend(ALIGNMENT_TRANSFORMS * self.population * x.shape[0])
                members = self._breed([to_numpy(step.estimate) for step in ends[: self.population]], champion, x)
                ends = [champion]
            for k, member in enumerate(members):
                step = Step(member)
                support, earlier = begun_support(problem, member)
                if generation:  # what is bred is zero where one of its parents is
                    support, earlier = first_support(problem, member)[0], False
                cut = None if earlier else self.recipe.twin_cut
                for step in iterate(self.recipe.parts(), problem, member, support, cut, rng):
                    yield step._replace(stage=f"generation {generation + 1} member {k + 1}", total=None)
                ends.insert(k, step._replace(x=step.estimate))
        yield self._best(problem, ends)

    def shrink_wraps(self) -> Mapping[str, ShrinkWrap]:
        """Return that of the recipe."""
        return {f"recipe.{name}": wrap for name, wrap in self.recipe.shrink_wraps().items()}

    def _best(self, problem: Problem, ends: list[Step]) -> Step:
        """The best of the steps, for each start of the batch."""
        xp = namespace(ends[0].x)
        axes = tuple(range(1, ends[0].x.ndim))

        def value(step: Step) -> Array:
            if self.criterion == "r":
                return problem.replace(detector=step.detector or problem.detector).r_factor(step.estimate)
            return xp.sum(xp.abs(step.estimate) ** 4, axis=axes)

        values = np.stack([to_numpy(value(step)) for step in ends])
        best = np.argmin(np.where(np.isnan(values), np.inf, values), axis=0)  # a member that failed is not the best
        x = xp.stack([ends[chosen].x[b, ...] for b, chosen in enumerate(best)])
        supports = [xp.broadcast_to(step.support, x.shape) for step in ends]
        support = xp.stack([supports[chosen][b, ...] for b, chosen in enumerate(best)])
        return ends[int(best[0])]._replace(x=x, support=support)

    @staticmethod
    def _breed(members: list[np.ndarray], champion: Step, x: Array) -> list[Array]:
        bred = [np.empty_like(member) for member in members]
        for b, reference in enumerate(to_numpy(champion.x)):
            for k, member in enumerate(members):
                other = align(member[b], reference, subpixel=1).object
                phase = np.exp(0.5j * np.angle(other * np.conj(reference)))
                bred[k][b] = np.sqrt(np.abs(reference) * np.abs(other)) * np.exp(1j * np.angle(reference)) * phase
        return [like(one.astype(np.complex64), x) for one in bred]

    @property
    def total(self) -> int | None:
        """Steps of all members of all generations, and the last step, which is the best."""
        return None if self.recipe.total is None else self.population * self.generations * self.recipe.total + 1
