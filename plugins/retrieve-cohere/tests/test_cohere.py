"""The plugin, as installed beside `retrieve`, against cohere-core by hand and against truths."""

from pathlib import Path

import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics.arrays import find_device
from retrieve.operators import Pad
from retrieve.plugins.registry import find
from retrieve.simulate import blobs
from retrieve.solvers import Streams
from retrieve.testing import parametrize_with_checks

phasing = pytest.importorskip("cohere_core.controller.phasing", reason="not installed: pip install cohere-core")
plugin = pytest.importorskip("retrieve_cohere", reason="not installed: pip install plugins/retrieve-cohere")
Cohere = plugin.Cohere
KNOWN = "500*HIO+100*ER"


@pytest.fixture(scope="module")
def known():
    """Fifty blobs in a known ellipse of 17 % of 64², without noise."""
    x, support = blobs((64, 64), seed=1, number=50, sigma=2.0, fill=0.17)
    amplitude = np.abs(np.fft.fftshift(np.fft.fftn(x, norm="ortho")))
    return rt.Problem.from_arrays(amplitude=amplitude, support=support, truth=x)


def by_hand(problem, folder, sequence=KNOWN):
    """cohere-core's reconstruction as its users run it, and its last Fourier error."""
    np.save(Path(folder, "data.npy"), np.fft.fftshift(problem.amplitude).astype(float))
    np.save(Path(folder, "support.npy"), problem.support.astype(int))
    params = {"algorithm_sequence": sequence, "hio_beta": 0.9, "continue_dir": str(folder)}
    run = phasing.create_rec(params, str(Path(folder, "data.npy")), "np", -1, debug=True)
    assert run.iterate() == 0
    return run.get_image(), run.errs[-1]


def fourier_error(problem, x):
    return float(problem.r_factor(x[None])[0]) ** 0.5


@parametrize_with_checks([Cohere(algorithm_sequence="8*HIO+4*ER"), Cohere(algorithm_sequence="12*ER", guess="cohere")])
def test_it_conforms(check):
    check()


def test_it_is_found_through_its_entry_point():
    assert find("solvers", "cohere") is Cohere


def test_it_is_in_the_fourier_error_class_of_cohere_by_hand(known, tmp_path):
    """Below 1e-5, where a start solves the object: each of them from four starts at most."""
    mine = rt.solve(Cohere(algorithm_sequence=KNOWN), known, starts=4, hold_out=0)
    hand = min((by_hand(known, tmp_path) for _ in range(4)), key=lambda found: found[1])
    assert hand[1] < 1e-5
    assert min(fourier_error(known, x) for x in mine.estimates) < 1e-5


def test_orientation_conjugation_and_scale_are_those_of_the_truth(known, tmp_path):
    """The support of this object is not its own inverse's, so the twin is excluded by it."""
    lopsided = known.support & (np.add.outer(np.arange(64), np.arange(64)) < 70)
    x = known.truth * lopsided
    amplitude = np.abs(np.fft.fftshift(np.fft.fftn(x, norm="ortho")))
    problem = rt.Problem.from_arrays(amplitude=amplitude, support=lopsided, truth=x)
    result = rt.solve(Cohere(algorithm_sequence=KNOWN), problem, starts=4, hold_out=0)
    best = min(result.estimates, key=lambda e: fourier_error(problem, e))
    assert np.abs(np.vdot(best, x)) > 0.999 * np.linalg.norm(best) * np.linalg.norm(x)  # as it stands: no shift, no twin
    assert np.linalg.norm(best) == pytest.approx(np.linalg.norm(x), rel=1e-3)
    image, error = min((by_hand(problem, tmp_path) for _ in range(4)), key=lambda found: found[1])
    assert error < 1e-3
    assert np.abs(image).max() == pytest.approx(1)
    assert np.abs(np.vdot(image.conj(), x)) > 0.999 * np.linalg.norm(image) * np.linalg.norm(x)  # cohere's is the conjugate


def test_from_one_guess_it_walks_with_cohere_by_hand(known, tmp_path):
    """From the same object: the same array in the end, conjugated and scaled."""
    start = np.random.default_rng(5).standard_normal((2, 64, 64)).astype(np.float32)
    start = (start[0] + 1j * start[1]).astype(np.complex64)
    np.save(tmp_path / "image.npy", start.conj().astype(complex) / 64)  # its forward transform has no 1/√N
    image, _ = by_hand(known, tmp_path, "20*HIO+20*ER")
    mine = rt.solve(Cohere(algorithm_sequence="20*HIO+20*ER"), known, x0=start[None], hold_out=0).object
    np.testing.assert_allclose(mine / np.abs(mine).max(), image.conj(), atol=1e-3)


def test_shrink_wrap_finds_an_unknown_support():
    problem = rt.example("crystal2d").replace(support=None)
    solver = Cohere(algorithm_sequence="20*ER+60*HIO+20*ER")
    support = rt.solve(solver, problem).support
    assert 0.01 < support.mean() < 0.2


def test_masked_pixels_are_free_unless_asked(known):
    rows = np.zeros((64, 64), bool)
    rows[5:9] = True
    problem = known.replace(valid=known.valid & ~rows, amplitude=np.where(rows, 0, known.amplitude))
    free, dark = (
        min(
            fourier_error(known, x) for x in rt.solve(Cohere(algorithm_sequence=KNOWN, unmeasured=u), problem, starts=3).estimates
        )
        for u in ("free", "dark")
    )
    assert free < 0.1 * dark


def test_it_refuses_what_cohere_cannot(known):
    with pytest.raises(rt.InputError, match="three axes"):
        rt.solve(Cohere(twin=3), known)
    padded = known.replace(operator=known.operator @ Pad((48, 48), (64, 64)), support=None, truth=None)
    with pytest.raises(rt.InputError, match="far field"):
        rt.solve(Cohere(), padded)


@pytest.mark.parametrize("sequence", ["", "20", "HIO", "20*CHIO", "3*(20*ER)", "2*(3*(1*ER+1*HIO)+1*ER)", "0*ER"])
def test_sequences_that_cohere_does_not_read_are_refused(sequence):
    with pytest.raises(rt.OptionError, match="algorithm_sequence"):
        Cohere(algorithm_sequence=sequence)


@pytest.mark.parametrize(("sequence", "total"), [("5*ER", 5), ("3*(20*ER + 180*HIO) + 20*ER", 620), ("2*RAAR+2*(1*SF+1*ER)", 6)])
def test_iterations_are_those_of_the_sequence(sequence, total):
    assert Cohere(algorithm_sequence=sequence).total == total


def test_the_twin_operation_leaves_a_quarter():
    problem = rt.example("crystal3d").to(find_device("cpu"))
    x = np.ones((1, *problem.shape), np.complex64)
    steps = list(Cohere(algorithm_sequence="6*ER", twin=2).steps(problem, x, Streams.of(0, [0])))
    half = problem.shape[0] // 2
    emptied = [not step.x[:, half:].any() for step in steps]
    assert emptied == [False, False, True, False, False, False]
    assert steps[2].x.any()


def test_the_global_generator_is_given_back():
    np.random.seed(1)  # noqa: NPY002
    with plugin.numpy_state():
        np.random.seed(2)  # noqa: NPY002
    one = np.random.rand()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert one == np.random.rand()  # noqa: NPY002
