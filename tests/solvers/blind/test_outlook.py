"""The share of a start that is done: it rises to 1, and changes no result."""

import re

import pytest

from retrieve.driver.solve import solve
from retrieve.plugins.registry import find
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers.base import Step, Streams, random_phases
from retrieve.solvers.blind.levels import Fit, coarse_problem
from retrieve.solvers.blind.outlook import END_SHARE, ends_of, with_shares
from retrieve.solvers.blind.volume import search_coarse

SIZES = {1: [(24, 24, 24)], 2: [(64, 64, 64), (32, 32, 32)], 3: [(128, 128, 96), (64, 64, 48), (32, 32, 24)]}


@pytest.mark.parametrize("levels", SIZES)
def test_parts_end_in_their_order(levels):
    ends, places = ends_of(SIZES[levels])
    *parts, last = [ends[name] for name in ends if name != "end"]
    assert parts == sorted(parts)
    assert parts[0] > 0
    assert last == pytest.approx(END_SHARE)
    assert list(places.values())[-1] == "all"


@pytest.mark.parametrize("levels", SIZES)
def test_the_share_rises_and_stays_below_one(levels):
    sizes = SIZES[levels]
    words = [" × ".join(map(str, size)) for size in sizes]
    stages = [f"coarse, {words[-1]}: batch 1"] * 30
    stages += [f"middle, {size}: no blur" for size in reversed(words[:-1] or words)] * 10
    stages += ["all of the pattern, support 5 voxels", "another, 7: that nobody knows"] * 2000 + ["end"] * 30
    shares = [step.share for step in with_shares(iter(Step(None, stage=stage) for stage in stages), sizes, 1.0)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.1
    assert END_SHARE <= shares[-1] <= 1


@pytest.mark.slow
def test_a_search_tells_its_share_support_and_cost():
    problem = object_set("crystal3d").problem(0, TUNE_SEED, Noise(photons=1e6)).replace(support=None, truth=None)
    told = []
    solve(find("solvers", "auto")(effort=0.02), problem, starts=1, on_step=told.append)
    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    stages = [progress.stage for progress in told]
    assert stages[0] == "coarse, 32 × 32 × 32: batch 1"
    assert any("voxels, lowest cost" in stage for stage in stages)


def test_a_coarse_search_tells_its_agreement():
    problem = coarse_problem(object_set("crystal3d").problem(0, TUNE_SEED, Noise(photons=1e6)).replace(support=None, truth=None))
    fit = Fit.of(problem, 0.02)
    rng = Streams.of(0, [0])
    stages = list(dict.fromkeys(step.stage for step in search_coarse(fit, random_phases(problem, rng), rng)))
    assert stages[0] == "batch 1"
    assert re.fullmatch(r"the best, the 3 best agree by [01]\.\d+, support \d+ voxels, lowest cost [\d.e+]+", stages[-1])
    assert all(
        re.fullmatch(r"batch \d, the 3 best agree by [01]\.\d+", stage) for stage in stages[1:] if stage.startswith("batch")
    )
