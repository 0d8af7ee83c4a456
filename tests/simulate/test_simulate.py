import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.numerics.alignment import ramp_of
from retrieve.simulate import EXAMPLES, beam_stop, blobs, crystal, example, measure


@pytest.mark.parametrize("shape", [(64, 64), (63, 80), (32, 32, 40)])
@pytest.mark.parametrize("strong", [False, True])
def test_crystal_is_seeded_and_fits_its_fill(shape, strong):
    x = crystal(shape, seed=0, strong=strong, fill=0.4)
    assert x.shape == shape
    assert x.dtype == np.complex64
    assert_array_equal(x, crystal(shape, seed=0, strong=strong, fill=0.4))
    assert not np.array_equal(x, crystal(shape, seed=1, strong=strong, fill=0.4))
    inside = np.argwhere(np.abs(x) > 0.5)
    extent = np.ptp(inside, axis=0) + 1
    assert np.all(extent <= 0.4 * np.array(shape) + 1)
    assert np.any(extent > 0.4 * min(shape) - 4)


def test_crystal_sits_in_the_middle():
    for seed in range(6):
        inside = np.argwhere(np.abs(crystal((128, 128), seed=seed, fill=0.5)) > 0)
        assert_allclose((inside.min(axis=0) + inside.max(axis=0)) / 2, 64, atol=1)


def test_crystal_is_convex_with_flat_faces_and_soft_edges():
    amplitude = np.abs(crystal((128, 128), seed=2, fill=0.5))
    inside = np.argwhere(amplitude > 0.6)
    rng = np.random.default_rng(0)
    middle = (inside[rng.integers(len(inside), size=500)] + inside[rng.integers(len(inside), size=500)]) // 2
    assert np.all(amplitude[tuple(middle.T)] > 0.3)
    assert np.any((amplitude > 0.1) & (amplitude < 0.8))  # partly covered edge pixels
    core = amplitude[amplitude > 0.85]
    assert core.size > 0.8 * len(inside)
    assert 0.05 < np.ptp(core) < 0.25


@pytest.mark.parametrize("phase", [0.0, 1.0, 3.0])
def test_crystal_phase_runs_peak_to_valley_as_asked(phase):
    x = crystal((64, 64), seed=7, phase=phase)
    assert np.ptp(np.angle(x[np.abs(x) > 0])) == pytest.approx(phase, abs=1e-4)


def test_strong_crystal_has_a_dislocation_and_a_centred_pattern():
    x = crystal((96, 96), seed=0, phase=0.5, strong=True, fill=0.5)
    phase = np.angle(x)
    loop = [phase[:-1, :-1], phase[:-1, 1:], phase[1:, 1:], phase[1:, :-1], phase[:-1, :-1]]
    turns = sum(np.angle(np.exp(1j * (b - a))) for a, b in zip(loop, loop[1:], strict=False))
    whole = np.minimum.reduce([np.abs(x)[i : 95 + i, j : 95 + j] for i in (0, 1) for j in (0, 1)]) > 0.8
    assert np.any(np.abs(turns[whole]) > 6)
    assert_allclose(ramp_of(x), 0, atol=1e-4)


@pytest.mark.parametrize(("shape", "fill"), [((64, 64), 0.17), ((48, 64), 0.25), ((32, 32, 32), 0.16)])
def test_blobs_fill_an_ellipse(shape, fill):
    x, support = blobs(shape, seed=0, fill=fill)
    assert x.dtype == np.complex64
    assert support.dtype == bool
    assert support.mean() == pytest.approx(fill, rel=0.05)
    assert not np.any(x[~support])
    assert np.mean(np.abs(x[support]) > 0.05 * np.abs(x).max()) > 0.5
    assert_allclose(np.argwhere(support).mean(axis=0), np.array(shape) // 2, atol=0.5)
    assert_array_equal(x, blobs(shape, seed=0, fill=fill)[0])
    assert not np.array_equal(x, blobs(shape, seed=1, fill=fill)[0])


def test_one_blob_is_a_gaussian_of_its_sigma():
    for seed in range(10):
        x, support = blobs((64, 64), seed=seed, number=1, sigma=2.5)
        bright = np.abs(x) > 0.01 * np.abs(x).max()
        y = np.argwhere(bright)
        design = np.column_stack([np.sum(y**2, axis=1), y, np.ones(len(y))])
        curvature, *slope, _ = np.linalg.lstsq(design, np.log(np.abs(x[bright])), rcond=None)[0]
        assert curvature == pytest.approx(-1 / (2 * 2.5**2), rel=1e-3)
        assert np.ptp(np.angle(x[bright])) < 1e-5
        centre = np.rint(-np.array(slope) / (2 * curvature)).astype(int)
        assert support[np.maximum(centre[0] - 1, 0) : centre[0] + 2, centre[1] - 1 : centre[1] + 2].any()


def test_measure_is_the_centred_orthonormal_far_field():
    x, _ = blobs((32, 33), seed=0)
    intensity = measure(x)
    assert intensity.dtype == np.float32
    assert intensity.sum() == pytest.approx(np.sum(np.abs(x) ** 2), rel=1e-5)
    assert intensity[16, 16] == pytest.approx(np.abs(x.sum()) ** 2 / x.size, rel=1e-4)


def test_measure_counts_photons():
    x = crystal((64, 64), seed=0)
    counts = measure(x, photons=1e5, seed=0)
    assert_array_equal(counts, np.rint(counts))
    assert counts.sum() == pytest.approx(1e5, abs=5 * np.sqrt(1e5))
    assert_array_equal(counts, measure(x, photons=1e5, seed=0))
    assert not np.array_equal(counts, measure(x, photons=1e5, seed=1))
    expected = measure(x) * (1e5 / measure(x).sum())
    bright = expected > 20
    assert np.mean((counts - expected)[bright] ** 2 / expected[bright]) == pytest.approx(1, abs=0.3)


def test_beam_stop_covers_the_peak_only():
    mask = beam_stop((32, 33), 3)
    assert not mask[16, 16]
    assert not mask[19, 16]
    assert mask[20, 16]
    assert np.sum(~mask) == 29
    assert beam_stop((8, 8, 8), 0.5).sum() == 8**3 - 1


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_are_blind_problems_that_their_truth_solves(name):
    problem = example(name)
    assert problem.support is None
    assert problem.truth.shape == problem.shape == EXAMPLES[name].shape
    assert problem.valid.all()
    assert float(np.sum(problem.amplitude**2)) == pytest.approx(EXAMPLES[name].photons, rel=0.01)
    assert float(problem.r_factor(problem.truth[None])[0]) < 0.01
    assert np.argmax(np.fft.fftshift(problem.amplitude)) in np.flatnonzero(~beam_stop(problem.shape, 2))


def test_input_errors_name_thing_and_remedy():
    with pytest.raises(InputError, match="crystal3d"):
        example("crystal3")
    with pytest.raises(InputError, match="fill=0.6"):
        crystal((64, 64), seed=0, fill=0.6)
    with pytest.raises(InputError, match="facets=5.*at least 6"):
        crystal((64, 64, 64), seed=0, facets=5)
    with pytest.raises(InputError, match="two or three axes"):
        blobs((64,), seed=0)
    with pytest.raises(InputError, match="fill=0.5"):
        blobs((64, 64), seed=0, fill=0.5)
    with pytest.raises(InputError, match="photons=0"):
        measure(np.ones((8, 8)), photons=0)
