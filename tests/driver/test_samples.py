"""Where the chains of posterior samples begin."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from retrieve.driver.solve import solve
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers import Solver, Step

FITTING, OTHER, WRONG = range(3)
TRUTH, SUPPORT = blobs((16, 16), seed=0, number=5)


@dataclass(frozen=True)
class Known(Solver):
    """Its starts end at the truth, at an object that differs from it where nothing is measured, and at neither."""

    name: ClassVar[str] = "known"

    def steps(self, problem, x, rng) -> Iterator[Step]:
        """One step for each start, by its number."""
        unseen = np.where(problem.valid, 0, 3 * problem.amplitude.max()).astype(np.complex64)
        choice = {
            FITTING: TRUTH,
            OTHER: TRUTH + problem.operator.adjoint(unseen[None])[0],
            WRONG: TRUTH * np.linspace(0, 1, len(TRUTH))[:, None],
        }
        yield Step(np.stack([choice[start % 3] for start in range(len(rng.generators))]).astype(np.complex64))

    def samples(self, problem, x, rng) -> Iterator[Step]:
        """Stays where it begins."""
        yield Step(x)


def test_chains_begin_at_every_start_that_fits_as_well_as_the_chosen_one():
    valid = np.ones((16, 16), bool)
    valid[3:5, 4:9] = valid[-4:-2, -8:-3] = False
    noisy = measure(TRUTH) * np.random.default_rng(0).uniform(0.9, 1.1, (16, 16))
    problem = Problem.from_arrays(intensity=noisy, mask=valid, support=SUPPORT)
    result = solve(Known(), problem, starts=3, batch=3, agree=0, samples=4, hold_out=0)
    assert [score.r < 0.01 for score in result.scores] == [True, True, False]
    begun = [int(np.argmax([abs(np.vdot(x, sample)) / np.linalg.norm(x) for x in result.estimates])) for sample in result.samples]
    assert begun == [FITTING, OTHER, FITTING, OTHER]
