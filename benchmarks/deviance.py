"""The deviance per pixel of the truth: 1 for every number of photons and every noise.

    python benchmarks/deviance.py

For each noise, 100 objects of 64² pixels: the mean over their deviances per pixel, and its standard error.
"""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from retrieve.problem import Poisson
from retrieve.problem.scoring import Scorer
from retrieve.simulate import TUNE_SEED, Noise, blobs, simulated_problem

OBJECTS, SHAPE = 100, (64, 64)
PHOTONS = (1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
SIGMAS = (0.001, 0.01, 0.1, 0.4)


def deviances(noise: Noise) -> tuple[list[float], float]:
    """The deviance per pixel of each truth, and the mean intensity of a pixel."""
    found, level = [], []
    for number in range(OBJECTS):
        x, support = blobs(SHAPE, seed=TUNE_SEED + number)
        problem = simulated_problem(x, support, noise, seed=TUNE_SEED, number=number)
        if noise.photons is not None:
            problem = problem.replace(likelihood=Poisson())
        (score,) = Scorer.of(problem, None).scores(np.asarray(problem.truth)[None])
        found.append(float(score.deviance or np.nan))
        level.append(float(problem.power) / problem.amplitude.size)
    return found, float(np.mean(level))


def main() -> None:
    """Print the table."""
    table = Table("noise", "mean", "deviance", "error")
    for noise in (*(Noise(photons=n) for n in PHOTONS), *(Noise(sigma=s) for s in SIGMAS)):
        found, level = deviances(noise)
        name = f"Poisson, {noise.photons:.0e} photons" if noise.photons else f"Gaussian, σ {noise.sigma:g}"
        table.add_row(name, f"{level:.3g}", f"{np.mean(found):.4f}", f"{np.std(found) / np.sqrt(len(found)):.4f}")
    Console().print(table)


if __name__ == "__main__":
    main()
