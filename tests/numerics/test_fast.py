"""The accelerated path against the array-API code, its reference."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.fft
from fast_cases import SHAPES, needs, needs_both, noise, problem
from numpy.testing import assert_allclose, assert_array_equal

import retrieve as rt
from retrieve.numerics import arrays, fast
from retrieve.problem.scoring import Scorer
from retrieve.solvers import HIO
from retrieve.solvers.shrinkwrap import ShrinkWrap, blur


@needs["fftw"]
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_planned_transform_is_scipys(shape, threads):
    x, axes = noise(2, *shape), tuple(range(1, len(shape) + 1))
    before = x.copy()
    f = arrays.fftn(x, len(shape), threads)
    assert_allclose(f, scipy.fft.fftn(x, axes=axes, norm="ortho"), atol=4e-6)
    assert_allclose(arrays.ifftn(f, len(shape), threads), x, atol=4e-6)
    assert_array_equal(x, before)


@needs["fftw"]
@pytest.mark.parametrize("shape", SHAPES)
def test_neither_batch_nor_threads_nor_plans_made_anew_change_a_bit(shape):
    x = noise(3, *shape)
    together = arrays.fftn(x, len(shape))
    assert_array_equal(arrays.fftn(x[1:2], len(shape)), together[1:2])
    assert_array_equal(arrays.fftn(x, len(shape), 2), together)
    fast.part("fftw")._LOCAL.plans.clear()
    assert_array_equal(arrays.fftn(x, len(shape)), together)


@needs["fftw"]
def test_plans_are_remembered_and_the_first_to_measure_wins(tmp_path, monkeypatch):
    fftw = fast.part("fftw")
    monkeypatch.setenv("RETRIEVE_CACHE", str(tmp_path))
    fftw.wisdom_for.cache_clear()
    wisdom = fftw.wisdom_for((40, 44))
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file.name for file in kept] == ["40x44"]
    kept[0].write_bytes(wisdom + b" ")
    fftw.wisdom_for.cache_clear()
    assert fftw.wisdom_for((40, 44)) == wisdom + b" "
    fftw.wisdom_for.cache_clear()


@needs["fftw"]
def test_where_nothing_can_be_remembered_scipy_transforms(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETRIEVE_CACHE", str(tmp_path / "file" / "folder"))
    fast.part("fftw").wisdom_for.cache_clear()
    fast.planned.cache_clear()
    try:
        assert fast.planned((40, 46)) is None
        assert fast.describe((40, 46)).startswith("scipy")
        assert_array_equal(arrays.fftn(noise(1, 40, 46), 2), scipy.fft.fftn(noise(1, 40, 46), axes=(1, 2), norm="ortho"))
    finally:
        fast.part("fftw").wisdom_for.cache_clear()
        fast.planned.cache_clear()


@needs_both
@pytest.mark.parametrize("shape", SHAPES)
def test_fit_modulus_is_the_reference(shape, off, monkeypatch):
    data, x = problem(shape), noise(2, *shape)
    x[0, 0] = 0
    calls = []
    through = fast.part("fftw").transform_and_back
    monkeypatch.setattr(fast.part("fftw"), "transform_and_back", lambda *a: calls.append(1) or through(*a))
    m = data.fit_modulus(x)
    assert calls
    off()
    assert_allclose(m, data.fit_modulus(x), atol=2e-5)


@needs_both
def test_what_is_stored_under_unmeasured_pixels_has_no_say():
    data, x = problem((64, 64)), noise(1, 64, 64)
    junk = data.replace(amplitude=np.where(data.valid, data.amplitude, np.float32(np.nan)))
    assert_array_equal(data.fit_modulus(x), junk.fit_modulus(x))


@needs_both
@pytest.mark.parametrize("detector", [False, True])
@pytest.mark.parametrize("shape", [(64, 64), (513, 300)])
def test_scores_are_the_references(shape, detector, off):
    data, x = problem(shape), noise(2, *shape)
    if detector:
        data = data.replace(detector=rt.operators.PartialCoherence.gaussian(shape, 1.0))
    working, held = data.hold_out(0.05, np.random.default_rng(0))
    support = data.support[None]
    found = Scorer.of(data, held)(x, support=support)
    off()
    for one, other in zip(found, Scorer.of(data, held)(x, support=support), strict=True):
        assert_allclose(one, other, rtol=1e-4)


@needs["fftw"]
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spent", [True, False])
def test_the_blur_is_the_reference(shape, spent, off):
    a = np.abs(noise(2, *shape))
    before = a.copy()
    found = blur(a, 1.7, spent)
    assert spent or np.array_equal(a, before)
    off()
    assert_allclose(found, blur(before, 1.7), atol=2e-5)


@needs_both
def test_a_start_is_the_same_in_any_batch():
    data, solver = problem((64, 64)), HIO(iterations=60)
    together = rt.solve(solver, data, starts=3, batch=3)
    alone = rt.solve(solver, data, starts=3, batch=1)
    assert_array_equal(together.estimates, alone.estimates)


@needs["fftw"]
def test_nothing_is_planned_for_arrays_of_another_library(monkeypatch):
    monkeypatch.setattr(fast, "planned", lambda shape: pytest.fail(f"a plan of {shape}"))
    data = problem((40, 42)).to(arrays.find_device("torch"))
    data.fit_modulus(arrays.find_device("torch").put(noise(1, 40, 42)))


@needs["fftw"]
def test_small_starts_run_together():
    assert (HIO().batch_for(problem((64, 64))), rt.solvers.Recipe().batch_for(problem((256, 256)))) == (8, 1)


@needs_both
def test_the_start_that_was_given_is_not_written_into():
    data, x0 = problem((64, 64)), noise(1, 64, 64)
    before = x0.copy()
    for _ in HIO(iterations=3).steps(data, x0, None):
        pass
    assert_array_equal(x0, before)


# what an iteration costs, counted ------------------------------------------------------------------


@needs_both
def test_an_iteration_is_one_pass_through_the_far_field_and_one_over_the_object(monkeypatch):
    """The guard of the speed: it counts, where a clock would depend on what else runs."""
    fftw, passes = fast.part("fftw"), fast.part("passes")
    counts: dict[str, int] = {}

    def counted(module, name):
        inner = getattr(module, name)

        def call(*args):
            counts[name] = counts.get(name, 0) + 1
            return inner(*args)

        monkeypatch.setattr(module, name, call)

    for module, name in (
        (fftw, "transform_and_back"),
        (fftw, "inspect_spectrum"),
        (fftw, "fftn"),
        (fftw, "ifftn"),
        (passes, "mix"),
    ):
        counted(module, name)
    rt.solve(HIO(iterations=100), problem((64, 64)), score_every=50, verdict=False)
    assert counts == {
        "transform_and_back": 100,
        "mix": 100,
        "inspect_spectrum": 2,
        "fftn": 1,
        "ifftn": 1,
    }  # the start, and the likelihood of the end


@needs_both
@pytest.mark.parametrize("wrap", ["never", "always"])
def test_what_a_solve_holds_at_most(wrap):
    """In complex64 arrays: the data, x, P_M x and one more."""
    shape = (1024, 1024)
    data = problem(shape)
    solver = HIO(iterations=12, shrink_wrap=ShrinkWrap(when=wrap, every=5))
    rt.solve(HIO(iterations=1), data, verdict=False)  # plans and compiled passes
    blur(np.ones((1, *shape), np.float32), 1.0)
    tracemalloc.start()
    try:
        rt.solve(solver, data, score_every=4, verdict=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / (8 * math.prod(shape)) < 4
