"""The steps at which stages of a start begin: kept by the driver, written, read, and drawn on the error curve."""

from dataclasses import dataclass, replace
from typing import ClassVar

import h5py
import numpy as np
import pytest

from retrieve.driver.history import MOST_STAGES
from retrieve.driver.run_spec import RunSpec
from retrieve.driver.solve import run, solve
from retrieve.io.results import read_result
from retrieve.solvers import HIO, Recipe
from retrieve.solvers.base import Solver, Step

RECIPE = Recipe(recipe="10 raar + 4 er + 6 raar")
STAGES = ((1, "raar"), (11, "er"), (15, "raar"))


@dataclass(frozen=True)
class Naming(Solver):
    """Names every step, or leaves the name to the driver."""

    name: ClassVar[str] = "naming"
    named: bool = True

    def steps(self, problem, x, rng):
        for k in range(2 * MOST_STAGES):
            yield Step(x, stage=f"step {k} " + 1000 * "x" if self.named else "")


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("executor", [None, "serial"])
def test_each_start_keeps_its_stages(hard, batch, executor):
    result = solve(RECIPE, hard, starts=3, batch=batch, executor=executor)
    assert result.stages == (STAGES,) * 3


def test_a_stage_without_a_name_is_the_solver(hard):
    assert solve(HIO(iterations=5), hard).stages == (((1, "hio"),),)
    assert solve(Naming(named=False), hard).stages == (((1, "naming"),),)


def test_a_start_stopped_early_has_the_stages_it_came_to(hard):
    stopped = solve(RECIPE, hard, on_step=lambda progress: progress.step >= 12)
    assert stopped.stages == (STAGES[:2],)


def test_stages_stay_few_and_short(hard):
    [stages] = solve(Naming(), hard).stages
    assert len(stages) == MOST_STAGES
    assert max(len(name) for _, name in stages) < 200


def test_kept_starts_have_their_stages(hard, tmp_path):
    spec = RunSpec(RECIPE, starts=2, batch=1)
    run(spec, hard, kept=tmp_path / "starts")
    assert run(spec, hard, kept=tmp_path / "starts").stages == (STAGES,) * 2


def test_stages_come_back_and_older_files_have_none(hard, tmp_path):
    result = solve(RECIPE, hard, starts=2)
    path = result.save(tmp_path / "a.cxi")
    assert read_result(path).stages == result.stages
    with h5py.File(path, "r+", locking=False) as file:
        del file["entry_1/stages"]
    old = read_result(path)
    assert old.stages == ()
    np.testing.assert_array_equal(old.object, result.object)
    assert read_result(replace(old).save(tmp_path / "b.cxi")).stages == ()
