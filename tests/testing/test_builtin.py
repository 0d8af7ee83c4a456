"""What `retrieve` ships passes the kit that it asks plugins to pass."""

import numpy as np

from retrieve.builtin import ALGORITHMS
from retrieve.metrics import BUILTIN
from retrieve.operators import Binning, Crop, FarField, Mask, Pad, PartialCoherence
from retrieve.plugins import find
from retrieve.priors.weights import load
from retrieve.solvers import SF, ConjugateGradient, Guided, Recipe
from retrieve.solvers.dps import DPS
from retrieve.testing import parametrize_with_checks

SHAPE = (12, 10)
SOLVERS = [
    *(find("solvers", name.lower())(iterations=10) for name in ALGORITHMS if name != "SF"),
    Recipe(recipe="4 hio + 3 raar + 6 er"),
    Guided(population=2, generations=2, recipe=Recipe(recipe="4 hio + 2 er")),
    ConjugateGradient(iterations=10),
    find("solvers", "diffusion")(search=8, evaluations=3),
    find("solvers", "unet")(refine="er", iterations=3),
]
OPERATORS = [
    FarField(SHAPE),
    FarField((4, 6, 5)),
    Pad((5, 7), SHAPE),
    Crop(SHAPE, (5, 6)),
    Mask(np.random.default_rng(5).random(SHAPE) > 0.4),
    Binning(SHAPE, (3, 2)),
    PartialCoherence.gaussian(SHAPE, (1.0, 2.0)),
    FarField(SHAPE) @ Pad((6, 5), SHAPE),
]


@parametrize_with_checks(SOLVERS)
def test_solvers(check):
    check()


@parametrize_with_checks(
    [SF(iterations=10)], excused={"beats its start": "from random phases it may settle outside the support, its mirror"}
)
def test_solvent_flipping(check):
    check()


@parametrize_with_checks([DPS(timesteps=2)], excused={"beats its start": "two reverse steps of 500 are only a beginning"})
def test_dps(check):
    check()


@parametrize_with_checks(OPERATORS)
def test_operators(check):
    check()


@parametrize_with_checks(BUILTIN)
def test_metrics(check):
    check()


@parametrize_with_checks([load("domains2d")])
def test_priors(check):
    check()
