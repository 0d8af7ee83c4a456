from dataclasses import replace

import numpy as np
import pytest

from retrieve.evaluate.comparison import Comparison, Picture, Row
from retrieve.io.result import Cost, Result
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.simulate import beam_stop, crystal, measure

METRICS = ("complex_correlation", "phase_similarity", "nrmse")


@pytest.fixture
def result_of():
    """Makes a result of a shape, as a solve leaves it; the starts differ by some noise."""

    def make(shape=(32, 32), *, starts=3, truth=True, meta=None, **changes):
        rng = np.random.default_rng(0)
        x = crystal(shape, seed=0, fill=0.4, phase=2.0)
        x = (x * np.sqrt(1e6 / np.sum(np.abs(x) ** 2))).astype(np.complex64)
        problem = Problem.from_arrays(
            intensity=measure(x, photons=1e6), mask=beam_stop(shape, 2), truth=x if truth else None, meta=meta or {}
        )
        noise = rng.normal(0, 0.05, (starts, *shape)) * np.abs(x).max() * (np.abs(x) > 0)
        estimates = (x + noise).astype(np.complex64)
        history = tuple({"step": [20.0, 40.0], "r": [0.3, 0.02 / (k + 1)], "r_free": [0.4, 0.05]} for k in range(starts))
        made = Result(
            object=estimates[-1],
            estimates=estimates,
            supports=np.abs(estimates) > 0,
            chosen=starts - 1,
            scores=tuple(Score(0.02 / (k + 1), 0.05 / (k + 2)) for k in range(starts)),
            history=history,
            cost=Cost(ffts=1200, seconds=3.5),
            problem=problem,
            held=np.arange(np.prod(shape)).reshape(shape) % 20 == 0,
            spread=np.abs(noise).mean(axis=0).astype(np.float32) if starts > 1 else None,
            manifest={"solver": "hio", "seed": 7, "options": {"beta": 0.9}, "versions": {"numpy": "2"}},
        )
        return replace(made, **changes)

    return make


@pytest.fixture
def comparison_of():
    """Makes a comparison whose numbers are drawn at random, but the same each time."""

    def make(
        objects=4, starts=2, solvers=("hio", "raar"), noises=(0.0, 0.1), groups=(("cells", (24, 24)),), pictures=1, **changes
    ):
        rng = np.random.default_rng(0)
        rows, shown = [], []
        for group, shape in groups:
            for noise in noises:
                for number in range(objects):
                    x = crystal(shape, seed=number, fill=0.4, phase=2.0).astype(np.complex64) if number < pictures else None
                    for label in solvers:
                        own = []
                        for start in range(starts):
                            quality = float(np.clip(1 - abs(rng.normal(0, 0.05 + (noise or 0))), 0, 1))
                            metrics = dict.fromkeys(METRICS, quality)
                            error = float(rng.uniform(1e-3, 1e-1))
                            own.append(Row(group, noise, number, label, start, error, 1.2 * error, metrics, 2.0, 1200))
                        best = replace(min(own, key=lambda row: row.r_free), start=None)
                        rows += [*own, best]
                        if x is not None:
                            y = np.abs(np.fft.fftshift(np.fft.fftn(x))).astype(np.float32)
                            estimate = (x * np.exp(1j * rng.normal(0, 0.2, shape))).astype(np.complex64)
                            history = {"step": [20.0, 40.0, 60.0], "r": [0.1, 0.05, 0.02], "r_free": [0.2, 0.1, 0.05]}
                            shown.append(Picture(best, estimate, x, y, history))
        settings = {"benchmark": "domains2d-50", "noise": list(noises), "objects": objects, "starts": starts, "seed": 0}
        settings |= {"hold_out": 0.03, "budget": {"ffts": 1200, "seconds": None}, "versions": {"numpy": "2"}}
        made = Comparison(settings, {label: {"name": label, "options": {}} for label in solvers}, tuple(rows), tuple(shown))
        return replace(made, **changes)

    return make
