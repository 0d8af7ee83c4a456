"""Simulated crystals with a dislocation, measured at each setup, keep orientation, size and hand through the chain to strain."""

import sys
from pathlib import Path

import numpy as np
import pytest

from retrieve.driver.solve import solve
from retrieve.geometry.space import voxel_vectors
from retrieve.numerics.alignment import align, conjugate_inverse
from retrieve.problem import Problem
from retrieve.solvers import ER

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
bench = __import__("strain")
sys.path.remove(BENCHMARKS)


def known(name, field):
    """A crystal at a setup, its object, and a result that a replaced object turns into any other."""
    experiment = bench.experiment_at(name)
    crystal = bench.crystal_for(experiment, field)
    x = bench.object_of(crystal, voxel_vectors(experiment, bench.SHAPE))
    intensity = np.fft.fftshift(np.abs(np.fft.fftn(x)) ** 2)
    problem = Problem.from_arrays(intensity=intensity, support=np.abs(x) > 0, meta={"experiment": experiment.as_meta()})
    return experiment, crystal, x, solve(ER(iterations=1), problem, starts=1, hold_out=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", bench.ANGLES)
def test_a_screw_keeps_its_hand_at_each_setup(name):
    experiment, crystal, x, result = known(name, "screw")
    found = bench.judged(bench._with(result, x, np.abs(x) > 0), experiment, crystal)
    assert found["turn_deg"] < 1
    assert abs(found["size_error_voxels"]) < 1
    assert found["handedness"] > 0.5
    assert found["strain_error"] < 1e-4


@pytest.mark.slow
def test_the_twin_has_the_other_hand_and_is_turned_back():
    experiment, crystal, x, result = known("id01", "screw")
    twin = conjugate_inverse(x.astype(np.complex64))
    support = np.abs(twin) > 0
    assert bench.judged(bench._with(result, twin, support), experiment, crystal)["handedness"] < -0.5
    back = align(twin, x)
    assert back.twin
    assert bench.judged(bench._with(result, back.object, np.abs(x) > 0), experiment, crystal)["handedness"] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("field", ["inclusion", "bending"])
def test_the_sign_of_the_strain_is_that_of_the_spacing(field):
    experiment, crystal, x, result = known("p10", field)
    found = bench.judged(bench._with(result, x, np.abs(x) > 0), experiment, crystal)
    assert found["strain_error"] < 0.5 * found["strain_known"]  # the other sign would give twice the known strain
