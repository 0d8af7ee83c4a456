"""The same code on a card."""

import numpy as np
import pytest

from retrieve.arrays import find_device
from retrieve.driver import solve
from retrieve.options import build
from retrieve.solvers import HIO, RAAR, ConjugateGradient, Recipe

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def card():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: extra cuda12 or cuda13")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"no CUDA card: {error}")


def test_auto_takes_the_card():
    assert find_device("auto").name.startswith("cuda")


@pytest.mark.parametrize(
    "solver", [HIO(iterations=50), RAAR(iterations=50), ConjugateGradient(iterations=5)], ids=lambda s: s.name
)
def test_a_card_agrees_with_the_cpu(easy, relative, solver):
    here, there = (solve(solver, easy, device=where, hold_out=0) for where in ("cpu", "cuda"))
    assert relative(there.object, here.object) < 1e-3


def test_the_default_recipe_runs_on_a_card(blind):
    result = solve(build(Recipe, {"coherence.when": "always"}), blind, device="cuda", starts=2)
    assert np.isfinite(result.object).all()
    assert result.score.chi2 < 0.2
