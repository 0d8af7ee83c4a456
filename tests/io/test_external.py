import h5py
import numpy as np
import pytest

from retrieve.errors import InputError, SolverError
from retrieve.evaluate.metrics import evaluate
from retrieve.io.external import ExternalResult, likeness, truth_for
from retrieve.numerics.alignment import correlation
from retrieve.problem import Problem
from retrieve.simulate import blobs, crystal, measure


@pytest.fixture
def truth():
    return blobs((48, 40), seed=3)[0]


@pytest.fixture
def problem(truth):
    return Problem.from_arrays(intensity=1e4 * measure(truth), truth=truth)


def as_cohere(truth):
    """What cohere would give: its object's *inverse* transform has the measured modulus; maximum 1, moved, any phase."""
    theirs = np.roll(np.conj(truth), (3, -2), (0, 1)) * np.exp(0.4j)
    assert np.allclose(np.abs(np.fft.ifftn(theirs, norm="ortho")), np.abs(np.fft.fftn(truth, norm="ortho")), atol=1e-5)
    return theirs / np.abs(theirs).max()


def as_pynx(truth):
    """What PyNX holds in memory: index 0 in the corner, scaled to photons."""
    return np.fft.ifftshift(truth) * 1e3


def score(path, problem):
    x = ExternalResult.named(str(path)).scaled(problem)
    return evaluate(x, problem)


def test_cohere(tmp_path, truth, problem):
    np.save(tmp_path / "image.npy", as_cohere(truth))
    found = score(f"{tmp_path}/image.npy:cohere", problem)
    assert found["complex_correlation"] == pytest.approx(1, abs=1e-5)
    assert found["r"] < 1e-6  # the scale is fitted
    assert score(f"{tmp_path}/image.npy:plain", problem)["complex_correlation"] < 0.9


def test_pynx_in_the_corner_and_in_cxi(tmp_path, truth, problem):
    np.savez(tmp_path / "corner.npz", obj=as_pynx(truth))
    x = ExternalResult.named(f"{tmp_path}/corner.npz:pynx").scaled(problem)
    assert correlation(x, truth) == pytest.approx(1, abs=1e-6)  # as it lies
    with h5py.File(tmp_path / "theirs.cxi", "w") as file:
        file["cxi_version"] = 150
        file["entry_1/image_1/data"] = truth * 5
        file["entry_1/image_1/instrument_1/other"] = np.ones((4, 4), complex)
    x = ExternalResult.named(f"{tmp_path}/theirs.cxi:pynx").scaled(problem)
    assert correlation(x, truth) == pytest.approx(1, abs=1e-6)


def test_ours_from_cxi(tmp_path, truth, problem):
    from retrieve.driver.solve import solve
    from retrieve.solvers import HIO

    result = solve(HIO(iterations=20), problem)
    result.save(tmp_path / "ours.cxi")
    np.testing.assert_array_equal(ExternalResult.named(f"{tmp_path}/ours.cxi").read(), result.object)


def test_what_a_user_may_get_wrong_is_told_at_once(tmp_path, truth, problem):
    np.save(tmp_path / "x.npy", truth)
    with pytest.raises(InputError, match="no file .*nothing.npy"):
        ExternalResult.named(f"{tmp_path}/nothing.npy:cohere")
    with pytest.raises(InputError, match="unknown convention 'choere'; did you mean cohere"):
        ExternalResult.named(f"{tmp_path}/x.npy:choere")
    with pytest.raises(InputError, match="x.npy:cohere, :pynx or :plain"):
        ExternalResult.named(f"{tmp_path}/x.npy")
    np.save(tmp_path / "small.npy", truth[:32, :32])
    with pytest.raises(InputError, match=r"small.npy has shape \(32, 32\).*\(48, 40\)"):
        ExternalResult.named(f"{tmp_path}/small.npy:plain").check(problem.shape)
    with pytest.raises(InputError, match=r"small.npy has shape \(32, 32\)"):
        ExternalResult.named(f"{tmp_path}/small.npy:plain").scaled(problem)


@pytest.mark.parametrize("what", ["cut", "text", "real", "nan", "zeros", "two", "none", "cut.cxi"])
def test_a_file_without_a_reconstruction_is_refused_with_its_reason(tmp_path, truth, what):
    path = tmp_path / ("x.cxi" if what == "cut.cxi" else "x.npz")
    arrays = {
        "real": {"object": np.abs(truth)},
        "nan": {"object": truth * np.nan},
        "zeros": {"object": truth * 0},
        "two": {"a": truth, "b": truth},
        "none": {"a": np.abs(truth)},
    }
    if what == "cut.cxi":
        with h5py.File(path, "w") as file:
            file["entry_1/image_1/data"] = truth
    elif what in arrays:
        np.savez(path, **arrays[what])
    else:
        np.savez(path, object=truth)
    if what in ("cut", "cut.cxi"):
        path.write_bytes(path.read_bytes()[:1500])
    if what == "text":
        path.write_text("a reconstruction, honestly")
    source = ExternalResult.named(f"{path}:plain")
    with pytest.raises(SolverError, match=path.name):
        source.read()
    source.check((48, 40))  # leaves it to the run, where it is a failed row


def test_a_truth_is_taken_where_it_explains_the_pattern(tmp_path, truth, problem):
    np.savez(tmp_path / "truth.npz", truth=truth)
    blind = problem.replace(truth=None)
    found, warning = truth_for(blind, ExternalResult.named(f"{tmp_path}/truth.npz"))
    assert warning is None
    np.testing.assert_allclose(found.truth, 100 * truth, rtol=1e-4)
    rng = np.random.default_rng(0)
    noisy = blind.replace(amplitude=np.abs(problem.amplitude + 0.1 * problem.amplitude.max() * rng.normal(size=truth.shape)))
    found, warning = truth_for(noisy, ExternalResult.named(f"{tmp_path}/truth.npz"))
    assert found.truth is not None
    assert "explains the pattern poorly" in warning


@pytest.mark.parametrize("seed", range(6))
def test_likeness_is_1_for_the_truth_and_low_for_any_other(seed):
    truth, other = (blobs((48, 40), seed=number)[0] for number in (seed, seed + 50))
    problem = Problem.from_arrays(intensity=1e4 * measure(truth))
    fit, margin = likeness(truth * 30j, problem)
    assert fit == pytest.approx(1, abs=1e-6)
    mirrored = np.roll(np.conj(truth[::-1, ::-1]), 1, (0, 1))
    assert likeness(mirrored, problem) == pytest.approx((fit, margin), abs=1e-6)  # the twin has the same pattern
    assert likeness(np.conj(truth), problem)[1] < -0.5  # its pattern is the mirror image
    assert 0.5 < margin < 0.9
    fit, margin = likeness(other, problem)
    assert fit < 0.4
    assert margin < 0.2


def test_the_truth_of_another_object_is_refused(tmp_path, problem):
    np.savez(tmp_path / "other.npz", truth=crystal((48, 40), seed=5))
    with pytest.raises(InputError, match="other.npz is of another object"):
        truth_for(problem, ExternalResult.named(f"{tmp_path}/other.npz"))
    np.savez(tmp_path / "conjugate.npz", truth=np.conj(problem.truth))
    with pytest.raises(InputError, match="FILE:cohere"):
        truth_for(problem, ExternalResult.named(f"{tmp_path}/conjugate.npz"))
    np.savez(tmp_path / "text.npz", truth=np.array(["a"]))
    with pytest.raises(InputError, match="truth .*text.npz"):
        truth_for(problem, ExternalResult.named(f"{tmp_path}/text.npz"))
