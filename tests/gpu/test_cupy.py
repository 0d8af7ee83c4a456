"""The same code on a card."""

import numpy as np
import pytest

from retrieve.driver.solve import solve
from retrieve.numerics import fast
from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.plugins.options import build
from retrieve.problem import Problem
from retrieve.solvers import ALGORITHMS, HIO, RAAR, ConjugateGradient, Recipe
from retrieve.solvers.shrinkwrap import ShrinkWrap

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def card():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: extra cuda12 or cuda13")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"no CUDA card: {error}")


def test_auto_takes_the_card():
    assert find_device("auto").name.startswith("cuda")


@pytest.mark.parametrize(
    "solver", [HIO(iterations=50), RAAR(iterations=50), ConjugateGradient(iterations=5)], ids=lambda s: s.name
)
def test_a_card_agrees_with_the_cpu(easy, relative, solver):
    here, there = (solve(solver, easy, device=where, hold_out=0) for where in ("cpu", "cuda"))
    assert relative(there.object, here.object) < 1e-3


def test_the_default_recipe_runs_on_a_card(blind):
    result = solve(build(Recipe, {"coherence.when": "always"}), blind, device="cuda", starts=2)
    assert np.isfinite(result.object).all()
    assert result.score.r < 0.2


# the accelerated path against the array-API code, its reference ----------------------------------------


def pattern(shape, support=True):
    """A random object in a box, one pixel in fifty unmeasured, and eight starts near it, where rounding does not grow."""
    rng = np.random.default_rng(0)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(n // 4, n // 4 + n // 2) for n in shape)] = True
    x = np.where(inside, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0)
    mask = rng.random(shape) > 0.02
    data = Problem.from_arrays(
        amplitude=np.abs(np.fft.fftn(x, norm="ortho")), mask=mask, support=inside if support else None, centred=False
    )
    near = 0.02 * (rng.standard_normal((8, *shape)) + 1j * rng.standard_normal((8, *shape)))
    return data, (x + near).astype(np.complex64)


def last(solver, data, x, where):
    """The last step of a run on a device, on the host."""
    steps = solver.steps(data.to(where), where.put(x), None)
    *_, step = steps
    return to_numpy(step.estimate), to_numpy(step.support)


@pytest.fixture
def both(monkeypatch, recwarn):
    """A function that runs on a device with the accelerated path, and without."""

    def run(solver, data, x, where):
        assert fast.part("card") is not None, "RETRIEVE_FAST=0"
        quick = last(solver, data, x, where)
        assert not [w for w in recwarn if "CUDA graph" in str(w.message)]
        with monkeypatch.context() as patch:
            patch.setattr(fast, "part", lambda name: None)
            return quick, last(solver, data, x, where)

    return run


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("shape", [(48, 40), (20, 24, 18)], ids=str)
@pytest.mark.parametrize("name", ["er", "hio", "raar", "rrr"])
def test_the_accelerated_path_is_the_reference(both, relative, name, shape, batch):
    data, x = pattern(shape)
    for count in (3, 50):
        (quick, _), (plain, _) = both(ALGORITHMS[name](iterations=count), data, x[:batch], find_device("cuda"))
        assert max(map(relative, quick, plain)) < 1e-4


@pytest.mark.parametrize("batch", [1, 8])
def test_with_shrink_wrap(both, relative, batch):
    data, x = pattern((48, 40), support=False)
    solver = HIO(iterations=50, shrink_wrap=ShrinkWrap(when="always", every=5), twin_cut=12)
    (quick, here), (plain, there) = both(solver, data, x[:batch], find_device("cuda"))
    assert np.mean(here != there) < 1e-3
    inside = here & there
    assert max(map(relative, quick * inside, plain * inside)) < 1e-2


def test_torch_is_served(both, relative):
    pytest.importorskip("torch")
    data, x = pattern((48, 40))
    (quick, _), (plain, _) = both(ALGORITHMS["rrr"](iterations=50), data, x, find_device("torch:cuda"))
    assert max(map(relative, quick, plain)) < 1e-4


def test_memory_is_freed_with_the_run():
    import cupy

    data, x = pattern((256, 256))
    where, pool = find_device("cuda"), cupy.get_default_memory_pool()
    data, x = data.to(where), where.put(x)
    used = []
    for _ in range(4):
        *_, step = HIO(iterations=5).steps(data, x, None)
        del _, step
        used.append(pool.used_bytes())
    assert used[-1] == used[1]
