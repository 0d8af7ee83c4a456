"""What several tests start from. Every problem here is small, seeded and made on the spot."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from retrieve.io.result import Cost, Result
from retrieve.numerics import fast
from retrieve.numerics.alignment import conjugate_inverse
from retrieve.plugins.builtin import register_solvers
from retrieve.plugins.registry import find
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.simulate import blobs, crystal, measure
from retrieve.solvers import Recipe

SHORT = {
    "auto": lambda: find("solvers", "auto")(effort=0.005),
    "recipe": lambda: Recipe(recipe="4 hio + 3 raar + 4 er + 2 cg"),
    "guided": lambda: find("solvers", "guided")(population=2, generations=2, recipe=Recipe(recipe="4 hio + 2 er")),
}


def pytest_configure():
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # torch's threads stand in each other's way on small arrays


@pytest.fixture(scope="session")
def data_folder():
    """The measured data: the folder that RETRIEVE_DATA names, else shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RETRIEVE_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no measured data in {folder}; set RETRIEVE_DATA to their folder")
    return folder


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def random_complex(rng):
    """A function that draws complex128 arrays of a shape."""
    return lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.fixture
def easy():
    """A well oversampled object with its support known and its pattern free of noise: any solver should solve it."""
    x, support = blobs((32, 32), seed=1, fill=0.06)
    return Problem.from_arrays(intensity=1e3 * measure(x), support=support, truth=x * np.sqrt(np.float32(1e3)))


@pytest.fixture
def narrow():
    """A function that makes an easy problem of a seed, whose object has phases of 0.2 to 1.2 rad alone."""

    def made(seed):
        x, support = blobs((32, 32), seed=seed, fill=0.06)
        x = (np.abs(x) * np.exp(1j * (0.7 + 0.5 * np.sin(np.angle(x))))).astype(np.complex64)
        return Problem.from_arrays(intensity=1e3 * measure(x), support=support, truth=x * np.sqrt(np.float32(1e3)))

    return made


@pytest.fixture
def hard():
    """A 48×40 pattern, oversampled about twice, with 5 % of its pixels masked; support known."""
    x, support = blobs((48, 40), seed=0)
    mask = np.random.default_rng(1).random((48, 40)) > 0.05
    return Problem.from_arrays(intensity=1e3 * measure(x), support=support, mask=mask, truth=x * np.sqrt(np.float32(1e3)))


@pytest.fixture
def blind(hard):
    """The same without its support."""
    return hard.replace(support=None)


@pytest.fixture
def in_double(hard):
    """The pattern in double precision with a complex128 start, in which rounding takes no part: .problem and .x0."""
    amplitude = np.fft.fft2(hard.truth.astype(complex), norm="ortho")
    phases = np.random.default_rng(2).uniform(0, 2 * np.pi, hard.shape)
    problem = hard.replace(amplitude=np.abs(amplitude) * hard.valid)
    return SimpleNamespace(problem=problem, x0=np.fft.ifft2(problem.amplitude * np.exp(1j * phases), norm="ortho")[None])


@pytest.fixture
def relative():
    """‖a − b‖/‖b‖ of two arrays."""
    return lambda a, b: float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))


@pytest.fixture(params=[name for name in register_solvers() if find("solvers", name).library == "any"])
def short(request):
    """Each of retrieve's own solvers that is no network, with few iterations."""
    make = SHORT.get(request.param)
    return make() if make else find("solvers", request.param)(iterations=10)


@pytest.fixture
def off(monkeypatch):
    """A switch that turns the accelerated path off."""

    def switch():
        monkeypatch.setattr(fast, "part", lambda name: None)
        monkeypatch.setattr(fast, "planned", lambda shape: None)

    return switch


@pytest.fixture
def ensemble():
    """Makes a result whose starts are disguised copies of crystals of some seeds, with noise."""

    def make(seeds=(0,) * 6, *, shape=(32, 32), noise=0.1, scale=1.0, failed=(), samples=None, draw=0, meta=None):
        rng = np.random.default_rng(draw)
        objects = {seed: crystal(shape, seed=seed, fill=0.4, phase=2.0) for seed in seeds}
        size = np.abs(objects[seeds[0]]).max()
        estimates = []
        for k, seed in enumerate(seeds):
            x = objects[seed] + noise * size * (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * (objects[seed] != 0)
            x = np.roll(x, rng.integers(-3, 4, len(shape)), range(len(shape))) * np.exp(1j * rng.uniform(0, 2 * np.pi))
            estimates.append(scale * (conjugate_inverse(x) if k % 3 == 1 else x))
        stack = np.array(estimates).astype(np.complex64)
        stack[list(failed)] = np.nan
        scores = tuple(
            Score(np.nan, None, failure="lost") if k in failed else Score(0.01 + 0.001 * k, 0.02 + 0.002 * k)
            for k in range(len(seeds))
        )
        chosen = next(k for k in range(len(seeds)) if k not in failed)
        return Result(
            object=stack[chosen],
            estimates=stack,
            supports=np.abs(stack) > 0,
            chosen=chosen,
            scores=scores,
            history=tuple({"step": [1.0], "r": [0.1], "r_free": [0.2]} for _ in seeds),
            cost=Cost(),
            problem=Problem.from_arrays(intensity=measure(scale * objects[seeds[0]]), meta=meta or {}),
            samples=None if samples is None else stack[:samples],
            manifest={"solver": "hio", "seed": 0},
        )

    return make
