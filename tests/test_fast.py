"""The accelerated path against the array-API code, its reference."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.fft
from numpy.testing import assert_allclose, assert_array_equal

import retrieve as rt
from retrieve import arrays, fast
from retrieve.fast import mix
from retrieve.score import Scorer
from retrieve.solvers import ALGORITHMS, HIO
from retrieve.solvers.iterative import Constraint
from retrieve.solvers.shrinkwrap import ShrinkWrap, blur

SHAPES = [(64, 64), (97, 98), (98, 97), (513, 300), (512, 512), (12, 80, 7), (64, 64, 66), (101, 51, 37)]
"""Of one piece and of several, even and odd."""

needs = {
    name: pytest.mark.skipif(fast.part(name) is None, reason=f"no {name}: extra fast, RETRIEVE_FAST")
    for name in ("fftw", "passes")
}
needs_both = pytest.mark.skipif(None in (fast.part("fftw"), fast.part("passes")), reason="no extra fast, or RETRIEVE_FAST=0")


@pytest.fixture
def off(monkeypatch):
    """A switch that turns the accelerated path off."""

    def switch():
        monkeypatch.setattr(fast, "part", lambda name: None)
        monkeypatch.setattr(fast, "planned", lambda shape: None)

    return switch


def problem(shape, support=True):
    rng = np.random.default_rng(0)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(n // 4, n // 4 + n // 2) for n in shape)] = True
    x = np.where(inside, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0).astype(np.complex64)
    mask = rng.random(shape) > 0.02
    amplitude = np.abs(np.fft.fftn(x, norm="ortho"))
    return rt.Problem.from_arrays(amplitude=amplitude, mask=mask, support=inside if support else None, centred=False)


def noise(*shape):
    rng = np.random.default_rng(1)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


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
    fftw.remembered.cache_clear()
    wisdom = fftw.remembered((40, 44))
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file.name for file in kept] == ["40x44"]
    kept[0].write_bytes(wisdom + b" ")
    fftw.remembered.cache_clear()
    assert fftw.remembered((40, 44)) == wisdom + b" "
    fftw.remembered.cache_clear()


@needs["fftw"]
def test_where_nothing_can_be_remembered_scipy_transforms(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETRIEVE_CACHE", str(tmp_path / "file" / "folder"))
    fast.part("fftw").remembered.cache_clear()
    fast.planned.cache_clear()
    try:
        assert fast.planned((40, 46)) is None
        assert fast.describe((40, 46)).startswith("scipy")
        assert_array_equal(arrays.fftn(noise(1, 40, 46), 2), scipy.fft.fftn(noise(1, 40, 46), axes=(1, 2), norm="ortho"))
    finally:
        fast.part("fftw").remembered.cache_clear()
        fast.planned.cache_clear()


@needs_both
@pytest.mark.parametrize("shape", SHAPES)
def test_fit_modulus_is_the_reference(shape, off, monkeypatch):
    data, x = problem(shape), noise(2, *shape)
    x[0, 0] = 0
    calls = []
    through = fast.part("fftw").through
    monkeypatch.setattr(fast.part("fftw"), "through", lambda *a: calls.append(1) or through(*a))
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


LOCAL = [name for name, kind in ALGORITHMS.items() if kind.local]


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_algorithm_is_a_few_numbers(name):
    """Asked at x, m and a second P_M that are 1 in turn, its formula tells all there is to it."""
    solver = ALGORITHMS[name]()
    data, x, m = problem((64, 64)), noise(2, 64, 64), noise(4, 64, 64)[2:]

    def mixed(x, m, inside, outside):
        a, b = (np.where(data.support, *pair) for pair in zip(inside, outside, strict=True))
        return a * x + b * m

    step = solver.mixture()
    assert (step.again is not None) == (name == "dm")
    found = mixed(x, m, step.inside, step.outside)
    if step.again is not None:
        found = found + mixed(0, data.fit_modulus(mixed(x, m, *step.again[:2])), *((0, c) for c in step.again[2]))
    for t in (0.0, 0.7):
        assert_allclose(found, solver.update(x, m, Constraint(data.support[None]), data, t), atol=1e-5)


@needs_both
@pytest.mark.parametrize("phase", [(-0.5, 0.5), (0.2, 1.0), (-2.5, 2.0), (-3.0, -2.0)])
@pytest.mark.parametrize("name", [name for name in LOCAL if name != "dm"])
def test_one_step_under_a_range_of_phases(name, phase):
    solver, data, x = ALGORITHMS[name](phase_min=phase[0], phase_max=phase[1]), problem((64, 48)), noise(2, 64, 48)
    project = solver.constrain(data.support[None])
    loop = fast.loop(x, data, solver.mixture(), project)
    m = loop.modulus(data, x)
    expected = solver.update(x, m, project, data, 0.0), project(m)
    for found, other in zip(loop.update(x, m, project, data), expected, strict=True):
        assert_allclose(found, other, atol=2e-5)


@needs_both
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", [name for name in LOCAL if name != "dm"])
def test_one_step_of_a_positive_object(name, sign):
    solver, data, x = ALGORITHMS[name](positivity=True), problem((64, 48)), noise(1, 64, 48).real.astype(np.complex64)
    project = solver.constrain(data.support[None])
    loop = fast.loop(x, data, solver.mixture(), project)
    m = loop.modulus(data, x)
    m *= sign * np.sign(np.sum(m, where=data.support))
    expected = solver.update(sign * x, sign * m + 0j, project, data, 0.0), project(sign * m + 0j)
    for found, other in zip(loop.update(x, m, project, data), expected, strict=True):
        assert_allclose(found, other, atol=2e-5)


@needs_both
@pytest.mark.parametrize("shape", SHAPES)
def test_the_modulus_of_a_real_object(shape, off):
    """By half spectra, also where a pixel is measured and the one opposite is not."""
    data, x = problem(shape), noise(2, *shape).real.astype(np.complex64)
    loop = fast.loop(x, data, HIO().mixture(), Constraint(data.support[None], positive=True))
    m = loop.modulus(data, x)
    assert m.dtype == np.float32
    off()
    assert_allclose(m, data.fit_modulus(x).real, atol=2e-5)


@needs_both
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("support", [True, False])
@pytest.mark.parametrize("detector", [True, False])
def test_a_few_iterations_of_a_positive_object_agree_with_the_reference(name, support, detector, off):
    data = problem((64, 48), support)
    if detector:
        data = data.replace(detector=rt.operators.PartialCoherence.gaussian((64, 48), 0.7))
    solver = ALGORITHMS[name](iterations=3, positivity=True, twin_cut=1, shrink_wrap=ShrinkWrap(every=2))
    found = rt.solve(solver, data, starts=2)
    off()
    expected = rt.solve(solver, data, starts=2)
    assert found.cost.ffts == expected.cost.ffts
    assert np.linalg.norm(found.estimates - expected.estimates) < 1e-3 * np.linalg.norm(expected.estimates)


@needs["passes"]
@pytest.mark.parametrize("rows", [1, 2])
def test_the_mixing_pass(rows):
    x, m, support = noise(2, 30, 31), noise(4, 30, 31)[2:], np.random.default_rng(0).random((rows, 30, 31)) > 0.5
    a, b, c, d = np.float32([1.0, 0.25, 0.5, -0.9])
    expected = np.where(support, a * x + b * m, c * x + d * m)
    assert_allclose(mix(x, m, support, (a, b), (c, d), np.empty_like(x)), expected, atol=1e-6)
    assert_allclose(mix(x, m, support, (a, b), (c, d), x), expected, atol=1e-6)


@needs_both
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("support", [True, False])
def test_a_few_iterations_agree_with_the_reference(name, support, off):
    data, solver = problem((64, 48), support), ALGORITHMS[name](iterations=4)
    found = rt.solve(solver, data)
    off()
    expected = rt.solve(solver, data)
    assert found.cost.ffts == expected.cost.ffts
    assert_allclose(found.object, expected.object, atol=1e-3 * np.abs(expected.object).max())
    assert_allclose(found.score.chi2, expected.score.chi2, rtol=1e-3)


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

    for module, name in ((fftw, "through"), (fftw, "look"), (fftw, "fftn"), (fftw, "ifftn"), (passes, "mix")):
        counted(module, name)
    rt.solve(HIO(iterations=100), problem((64, 64)), score_every=50)
    assert counts == {"through": 100, "mix": 100, "look": 2, "fftn": 1, "ifftn": 1}  # the start, and the likelihood of the end


@needs_both
@pytest.mark.parametrize("wrap", ["never", "always"])
def test_what_a_solve_holds_at_most(wrap):
    """In complex64 arrays: the data, x, P_M x and one more."""
    shape = (1024, 1024)
    data = problem(shape)
    solver = HIO(iterations=12, shrink_wrap=ShrinkWrap(when=wrap, every=5))
    rt.solve(HIO(iterations=1), data)  # plans and compiled passes
    blur(np.ones((1, *shape), np.float32), 1.0)
    tracemalloc.start()
    try:
        rt.solve(solver, data, score_every=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / (8 * math.prod(shape)) < 4.75
