"""Where an object is determined: by starts that explain the data, by noise, and by spatial frequency."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.stats import spearmanr

import retrieve as rt
from retrieve.evaluate.resolution import frc
from retrieve.evaluate.uncertainty import UNDETERMINED, explaining_starts, uncertainty_of
from retrieve.io.result import Cost, Result
from retrieve.numerics.alignment import align, conjugate_inverse
from retrieve.operators.intensity import Binning
from retrieve.problem.scoring import Score, Scorer
from retrieve.simulate import TUNE_SEED, Noise, crystal
from retrieve.simulate.crystal_kinds import CrystalKinds
from retrieve.simulate.noise import simulated_problem
from retrieve.solvers.blind.auto import Auto

SHAPES = [(48, 48), (32, 32, 32)]


def result_of(problem, estimates, scores=None):
    """A result whose first start is the chosen one."""
    estimates = np.stack(estimates).astype(np.complex64)
    scores = tuple(scores or Scorer.of(problem, None).scores(estimates))
    return Result(
        object=estimates[0], estimates=estimates, supports=None, scores=scores, chosen=0, history=(), cost=Cost(), problem=problem
    )


def measured(shape, photons=1e7):
    x = crystal(shape, seed=0, fill=0.4, phase=1.0)
    return simulated_problem(x, noise=Noise(photons=photons, support="unknown"), seed=0)


def middle_of(shape):
    part = np.zeros(shape, bool)
    part[tuple(slice(n // 2 - 3, n // 2 + 3) for n in shape)] = True
    return part


EQUAL = (Score(0.1, 0.1, deviance=1.1), Score(0.1, 0.1, deviance=1.1))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_part_that_one_of_two_equal_starts_lacks_is_not_determined(shape):
    problem, part = measured(shape), middle_of(shape)
    other = np.where(part, 0.1 * problem.truth, problem.truth)
    found = uncertainty_of(result_of(problem, [problem.truth, other], EQUAL))
    assert found.starts == (0, 1)
    assert (found.relative[part] > UNDETERMINED).mean() > 0.9
    deep = np.abs(problem.truth) > 0.5 * np.abs(problem.truth).max()
    far = deep & ~binary_dilation(part, iterations=4)
    assert (found.relative[far] > UNDETERMINED).mean() < 0.1
    assert found.undetermined == pytest.approx(np.mean(found.relative[np.isfinite(found.relative)] > UNDETERMINED))
    assert np.isnan(found.relative[(0,) * len(shape)])
    assert (
        f"{found.undetermined:.1%} of the object's {'pixels' if len(shape) == 2 else 'voxels'} are not determined" in found.words
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_where_the_starts_lie_does_not_matter(shape):
    problem = measured(shape)
    other = np.where(middle_of(shape), 0.5 * problem.truth, problem.truth)
    there = 1j * np.roll(conjugate_inverse(other), (3, -2), (0, 1))
    one, two = (uncertainty_of(result_of(problem, [problem.truth, x], EQUAL)) for x in (other, there))
    assert_allclose(two.relative, one.relative, atol=2e-3)


def test_a_start_counts_by_its_fit_and_not_by_agreement():
    problem = measured((48, 48))
    other = np.where(middle_of((48, 48)), 0.1 * problem.truth, problem.truth)
    worse, alike, better = (Score(0.1, 0.1, deviance=d) for d in (1.6, 1.12, 1.01))
    scores = (EQUAL[0], alike, worse, better, Score(0.1, failure="it broke"))
    result = result_of(problem, [problem.truth, other, problem.truth, other, problem.truth], scores)
    assert explaining_starts(result) == (0, 1, 3)
    unknown = tuple(replace(score, deviance=None, r=score.deviance or 1) for score in scores)
    assert explaining_starts(replace(result, scores=unknown)) == (0, 1, 3)
    broken = np.full_like(result.estimates[1], np.nan)
    result.estimates[1] = broken
    assert explaining_starts(result) == (0, 3)


def test_noise_that_the_starts_share_is_part_of_the_map():
    few, many = (measured((32, 32, 32), photons) for photons in (1e6, 1e8))
    one, two = (uncertainty_of(result_of(p, [p.truth, p.truth], EQUAL)) for p in (few, many))
    assert one.noise == two.noise == 1.0
    inside = np.isfinite(one.relative) & np.isfinite(two.relative) & (one.relative < 0.9)
    assert_allclose(two.relative[inside], one.relative[inside] / 10, rtol=1e-3)


def test_unknown_noise_is_taken_from_the_misfit():
    problem = measured((48, 48))
    scaled = problem.replace(amplitude=0.3137 * problem.amplitude, likelihood=rt.Gaussian())
    scores = Scorer.of(scaled, None).scores(np.stack([0.3137 * problem.truth] * 2))
    assert scores[0].deviance is None
    found = uncertainty_of(result_of(scaled, [0.3137 * problem.truth] * 2, scores))
    assert found.noise == pytest.approx(0.3137, rel=0.2)


def test_one_start_says_that_it_takes_two():
    problem = measured((48, 48))
    found = uncertainty_of(result_of(problem, [problem.truth]))
    assert found.relative is None
    assert found.undetermined is None
    assert "needs two or more" in found.words
    assert "one start" in found.words
    assert set(found.shells["limit"]) <= {"data", "one start", "not measured"}
    bad = replace(EQUAL[1], deviance=9.0)
    assert "no other of 2 starts explains" in uncertainty_of(result_of(problem, [problem.truth] * 2, (EQUAL[0], bad))).words
    empty = result_of(problem, [np.zeros(problem.shape)], EQUAL[:1])
    assert uncertainty_of(empty).relative is None


def test_shells_end_where_counts_end_or_starts_disagree():
    problem = measured((32, 32, 32), 1e9)
    far = np.fft.fftn(problem.truth)
    q = np.sqrt(sum(f**2 for f in np.meshgrid(*[np.fft.fftfreq(32)] * 3, indexing="ij")))
    phases = np.exp(2j * np.pi * np.random.default_rng(0).uniform(size=far.shape))
    other = np.fft.ifftn(np.where(q > 0.25, far * phases, far))
    found = uncertainty_of(result_of(problem, [problem.truth, other], EQUAL))
    assert found.resolution == pytest.approx(0.25, abs=0.04)
    assert found.shells["limit"][-3:] == ["starts"] * 3
    assert "beyond, the starts disagree" in found.words
    few = measured((32, 32, 32), 1e4)
    found = uncertainty_of(result_of(few, [few.truth, few.truth], EQUAL))
    assert found.shells["limit"][-1] == "data"
    assert found.resolution < 0.4
    assert "beyond, the counts end" in found.words
    lengths = {len(values) for values in found.shells.values()}
    assert lengths == {17}
    assert_allclose(found.shells["agreement"], 1, rtol=1e-4)


def test_a_detector_operator_that_changes_the_pixels_leaves_the_map():
    problem = measured((48, 48))
    binned = rt.Problem.from_arrays(intensity=np.ones((24, 24)))
    coarse = binned.replace(operator=problem.operator, detector=Binning((48, 48), 2))
    found = uncertainty_of(result_of(coarse, [problem.truth] * 2, EQUAL))
    assert found.shells == {}
    assert found.resolution is None
    assert np.isfinite(found.relative).any()


def test_samples_stand_for_the_starts():
    problem = measured((48, 48))
    rng = np.random.default_rng(0)
    drawn = problem.truth + 0.1 * np.abs(problem.truth) * rng.normal(size=(8, 48, 48))
    result = replace(result_of(problem, [problem.truth]), samples=drawn.astype(np.complex64))
    found = uncertainty_of(result)
    assert (found.samples, found.noise) == (8, 0.0)
    inside = np.abs(problem.truth) > 0.5 * np.abs(problem.truth).max()
    assert np.median(found.relative[inside]) == pytest.approx(0.1, rel=0.2)
    assert found.words.startswith("8 posterior samples")


def test_it_is_written_and_read_and_older_files_have_none(tmp_path):
    problem = measured((48, 48))
    other = np.where(middle_of((48, 48)), 0.1 * problem.truth, problem.truth)
    result = result_of(problem, [problem.truth, other], EQUAL)
    result = replace(result, manifest={"solver": "auto"})
    assert rt.read_result(result.save(tmp_path / "old.cxi")).uncertainty is None
    for some in (result, replace(result, scores=(EQUAL[0], Score(1, failure="it broke")))):
        made = uncertainty_of(some)
        back = rt.read_result(replace(some, uncertainty=made).save(tmp_path / "new.cxi")).uncertainty
        assert back.record() == made.record()
        if made.relative is None:
            assert back.relative is None
        else:
            assert_array_equal(back.relative, made.relative)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["strained", "domains"])
def test_the_map_ranks_true_errors_and_shells_called_determined_are_right(kind):
    problem = CrystalKinds(kind=kind, size=32).problem(0, TUNE_SEED, Noise(photons=1e6, support="unknown"))
    result = rt.solve(Auto(effort=0.3), problem, starts=2, agree=0, seed=0, strict=False)
    both = replace(result, scores=tuple(replace(score, deviance=1.5) for score in result.scores))  # else one may not count
    found = uncertainty_of(both)
    truth = align(problem.truth, result.object).object
    inside = np.isfinite(found.relative)
    wrong, power = (gaussian_filter(np.abs(x) ** 2, 1.0)[inside] for x in (result.object - truth, result.object))
    assert spearmanr(found.relative[inside], np.sqrt(wrong / power)).statistic > 0.3
    true = frc(truth, result.object, raw=True).value
    assert all(true[k] > 0.5 for k, limit in enumerate(found.shells["limit"]) if k and not limit)
