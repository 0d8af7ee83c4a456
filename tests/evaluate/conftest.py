import numpy as np
import pytest

from retrieve.io.result import Cost, Result
from retrieve.numerics.alignment import conjugate_inverse
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.simulate import crystal, measure


@pytest.fixture
def ensemble():
    """Makes a result whose starts are disguised copies of crystals of some seeds, with noise."""

    def make(seeds=(0,) * 6, *, shape=(32, 32), noise=0.1, scale=1.0, failed=(), samples=None, draw=0, meta=None):
        rng = np.random.default_rng(draw)
        objects = {seed: crystal(shape, seed=seed, fill=0.4, phase=2.0) for seed in seeds}
        size = np.abs(objects[seeds[0]]).max()
        estimates = []
        for k, seed in enumerate(seeds):
            x = objects[seed] + noise * size * (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * (objects[seed] != 0)
            x = np.roll(x, rng.integers(-3, 4, len(shape)), range(len(shape))) * np.exp(1j * rng.uniform(0, 2 * np.pi))
            estimates.append(scale * (conjugate_inverse(x) if k % 3 == 1 else x))
        stack = np.array(estimates).astype(np.complex64)
        stack[list(failed)] = np.nan
        scores = tuple(
            Score(np.nan, None, failure="lost") if k in failed else Score(0.01 + 0.001 * k, 0.02 + 0.002 * k)
            for k in range(len(seeds))
        )
        chosen = next(k for k in range(len(seeds)) if k not in failed)
        return Result(
            object=stack[chosen],
            estimates=stack,
            supports=np.abs(stack) > 0,
            chosen=chosen,
            scores=scores,
            history=tuple({"step": [1.0], "r": [0.1], "r_free": [0.2]} for _ in seeds),
            cost=Cost(),
            problem=Problem.from_arrays(intensity=measure(scale * objects[seeds[0]]), meta=meta or {}),
            samples=None if samples is None else stack[:samples],
            manifest={"solver": "hio", "seed": 0},
        )

    return make
