import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve import load, read
from retrieve.errors import InputError
from retrieve.io.result import write_problem
from retrieve.operators import PartialCoherence
from retrieve.problem.likelihood import Gaussian
from retrieve.simulate import TEST_SEED, Domains2D, Domains3D, Noise, object_set, simulated_problem
from retrieve.simulate.stack import write_stack

FILM = object_set("domains2d-50-cells")
X, SUPPORT = (a[0] for a in FILM.objects(1, TEST_SEED))
exact = np.abs(np.fft.fft2(X, norm="ortho"))  # zero frequency at index 0, as in a problem


def measured(number=0, **noise):
    return simulated_problem(X, SUPPORT, Noise(**noise), seed=TEST_SEED, number=number)


def test_noiseless_problem_is_solved_by_its_truth():
    p = measured()
    assert_allclose(p.amplitude, exact, atol=1e-5)
    assert p.valid.all()
    assert_array_equal(p.truth, X)
    assert_array_equal(p.support, SUPPORT)
    assert p.likelihood.sigma == pytest.approx(1e-3 * exact.max())
    assert float(p.r_factor(p.truth[None])[0]) < 1e-10


def test_gaussian_noise_has_its_sigma_and_is_clipped():
    sigma = 0.05 * exact.max()
    runs = [measured(number, sigma=0.05) for number in range(20)]
    assert runs[0].likelihood.sigma == pytest.approx(sigma)
    y = np.array([p.amplitude for p in runs])
    assert y.min() == 0
    assert np.std((y - exact)[:, exact > 4 * sigma]) == pytest.approx(sigma, rel=0.03)
    assert np.mean(y[:, exact < 0.1 * sigma] == 0) == pytest.approx(0.48, abs=0.05)


def test_photons_are_poisson_counts_about_the_scaled_truth():
    runs = [measured(number, photons=1e5) for number in range(200)]
    counts = np.array([p.amplitude.astype(float) ** 2 for p in runs])
    assert_allclose(counts, np.rint(counts), atol=1e-2)
    expected = np.abs(np.fft.fft2(runs[0].truth, norm="ortho")) ** 2
    assert expected.sum() == pytest.approx(1e5, rel=1e-4)
    bright = expected > 5
    assert_allclose(counts.mean(axis=0)[bright], expected[bright], atol=5 * np.sqrt(expected.max() / 200))
    assert np.mean(counts.mean(axis=0)[bright] / expected[bright]) == pytest.approx(1, abs=0.01)
    assert np.mean(counts.var(axis=0)[bright] / expected[bright]) == pytest.approx(1, abs=0.02)
    assert runs[0].likelihood == Gaussian(sigma=0.5)


def test_both_noises_add_up_in_the_likelihood():
    p = measured(sigma=0.02, photons=1e6)
    top = exact.max() * np.sqrt(1e6 / np.sum(exact**2))
    assert p.likelihood.sigma == pytest.approx(np.hypot(0.5, 0.02 * top), rel=1e-4)


def test_partial_coherence_blurs_the_intensity():
    p = measured(coherence=1.5)
    blurred = PartialCoherence.gaussian(X.shape, 1.5).forward(exact[None] ** 2)[0]
    assert_allclose(p.amplitude**2, blurred, atol=1e-4 * blurred.max())
    assert p.power == pytest.approx(np.sum(exact**2), rel=1e-3)


def test_missing_pixels_are_not_valid_and_zero():
    p = measured(beam_stop=4, gaps=2, gap_width=5, dead=0.1)
    seen = np.fft.fftshift(p.valid)
    assert not np.any(p.amplitude[~p.valid])
    assert not seen[32, 32 + 4]
    bare = np.fft.fftshift(measured(gaps=2, gap_width=5).valid)
    assert [int(np.sum(~bare.any(axis=k))) for k in (0, 1)] == [5, 5]
    assert np.mean(~measured(dead=0.1).valid) == pytest.approx(0.1, abs=0.02)
    assert np.sum(~measured(beam_stop=4).valid) == 49


def test_the_same_pixels_are_lost_at_every_noise():
    lost = {"dead": 0.1, "gaps": 1}
    assert_array_equal(measured(**lost).valid, measured(**lost, sigma=0.1, photons=1e5).valid)


def test_gaps_and_dead_pixels_of_a_3d_pattern_go_through_all_frames():
    p = Domains3D(size=16).problem(0, TEST_SEED, Noise(gaps=1, dead=0.1))
    assert_array_equal(p.valid, np.broadcast_to(p.valid[0], p.shape))
    assert 0.1 < np.mean(~p.valid) < 0.5


def test_problems_are_seeded_and_tell_how_they_were_made():
    noise = Noise(sigma=0.1, dead=0.05)
    p, again, other = (FILM.problem(n, TEST_SEED, noise) for n in (3, 3, 4))
    assert_array_equal(p.amplitude, again.amplitude)
    assert not np.array_equal(p.valid, other.valid)
    assert p.meta["seed"] == TEST_SEED
    assert p.meta["object"] == 3
    made = Domains2D(**p.meta["set"]).problem(p.meta["object"], p.meta["seed"], Noise(**p.meta["noise"]))
    assert_array_equal(made.amplitude, p.amplitude)


def test_unknown_support_is_not_told():
    assert measured(support="unknown").support is None


def test_cxi_round_trip_with_truth(tmp_path):
    p = FILM.problem(7, TEST_SEED, Noise(sigma=0.05, gaps=1, photons=1e6))
    back = read(write_problem(p, tmp_path / "film.cxi"))
    for name in ("amplitude", "valid", "support", "truth"):
        assert_array_equal(getattr(back, name), getattr(p, name))
    assert back.likelihood == p.likelihood
    assert {name: back.meta[name] for name in ("set", "noise", "seed", "object")} == {
        name: p.meta[name] for name in ("set", "noise", "seed", "object")
    }


@pytest.mark.parametrize("support", ["known", "unknown"])
def test_a_stack_holds_every_problem(tmp_path, support):
    problems = [FILM.problem(n, TEST_SEED, Noise(sigma=0.05, dead=0.02, support=support)) for n in range(3)]
    path = write_stack(problems, tmp_path / "films.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["films.npz"]
    for k, p in enumerate(problems):
        back = load(path, frame=k, centred="yes").problem()
        assert_allclose(back.amplitude, p.amplitude, rtol=1e-6)
        assert_array_equal(back.valid, p.valid)
        assert_array_equal(back.truth, p.truth)
        assert (back.support is None) == (support == "unknown")
        assert back.likelihood == p.likelihood
        assert back.meta["sigma"][k] == p.likelihood.sigma
        assert back.meta["object"] == [0, 1, 2]


def test_a_stack_of_one_is_read_with_its_noise(tmp_path):
    p = FILM.problem(0, TEST_SEED, Noise(sigma=0.05))
    assert load(write_stack([p], tmp_path / "film.npz"), centred="yes").problem().likelihood == p.likelihood


def test_errors_name_thing_and_remedy(tmp_path):
    with pytest.raises(InputError, match="gap_width=64 covers"):
        measured(gaps=1, gap_width=64)
    with pytest.raises(InputError, match="0 pixels left.*beam_stop=100"):
        measured(beam_stop=100)
    with pytest.raises(InputError, match="power 0"):
        simulated_problem(np.zeros_like(X), noise=Noise(photons=1e4), seed=0)
    with pytest.raises(InputError, match="sigma=-0.1 is out of range"):
        Noise(sigma=-0.1)
    with pytest.raises(InputError, match="no directory"):
        write_stack([measured()], tmp_path / "none" / "films.npz")


def test_noise_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Noise().sigma = 1
