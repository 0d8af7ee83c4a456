"""A large result does not fill the memory; `benchmarks/report.py` times it."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from retrieve.io.result import Cost, Result
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.report.page import page
from retrieve.report.result_picture import result_picture
from retrieve.report.starts_panels import MODES_PIXELS, agreement_of, modes_of_starts
from retrieve.simulate import beam_stop, crystal, measure

ARRAYS = 10  # complex128, of the object's shape


def two_starts(shape):
    """A result of two starts, as a solve leaves it."""
    rng = np.random.default_rng(0)
    x = crystal(shape, seed=0, fill=0.4, phase=2.0)
    x *= np.sqrt(1e8 / np.sum(np.abs(x) ** 2))
    noise = rng.normal(0, 0.05, (2, *shape)) * np.abs(x).max() * (np.abs(x) > 0)
    estimates = (x + noise).astype(np.complex64)
    return Result(
        object=estimates[1],
        estimates=estimates,
        supports=np.abs(estimates) > 0,
        chosen=1,
        scores=(Score(0.02, 0.05), Score(0.01, 0.05)),
        history=({"step": [20.0, 40.0], "r": [0.3, 0.02], "r_free": [0.4, 0.05]},) * 2,
        cost=Cost(),
        problem=Problem.from_arrays(intensity=measure(x, photons=1e8), mask=beam_stop(shape, 4)),
        spread=np.abs(noise[0]).astype(np.float32),
        manifest={"solver": "hio"},
    )


def two_of_noise(shape):
    """The same with noise everywhere, so that outlines and boxes do not help."""
    noise = np.random.default_rng(1).normal(size=(2, 2, *shape)).astype(np.float32)
    estimates = noise[0] + 1j * noise[1]
    return replace(two_starts(shape), estimates=estimates, object=estimates[0], supports=noise[0] > 0)


def peak(draw, result):
    """The memory that a call takes, in arrays (complex128) of the object's shape."""
    tracemalloc.start()
    try:
        draw(result)
        return tracemalloc.get_traced_memory()[1] / (16 * result.object.size)
    finally:
        tracemalloc.stop()


QUICK = [("picture", two_of_noise, (512, 512)), ("page", two_starts, (512, 512)), ("page", two_starts, (96, 64, 64))]
SLOW = [
    (what, make, shape)
    for what in ("picture", "page")
    for make in (two_starts, two_of_noise)
    for shape in ((1024, 1024), (192, 128, 128))
]


@pytest.mark.parametrize(("what", "make", "shape"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)])
def test_a_large_result_is_drawn_in_little_memory(what, make, shape, tmp_path):
    draw = {"picture": lambda result: result_picture(result, tmp_path / "out.png"), "page": page}[what]
    draw(two_starts((16,) * len(shape)))  # imports, fonts, the viewer
    assert peak(draw, make(shape)) < ARRAYS


def test_modes_of_a_large_box_are_thinned_around_its_middle():
    result = two_starts((1024, 1024))
    grid = modes_of_starts(result, agreement_of(result), "counts")
    mean = grid.rows[0].panels[0]
    assert MODES_PIXELS / 4 < mean.values.size <= MODES_PIXELS
    assert f"One pixel in {mean.grid.size[0]:g} along each axis" in grid.note
    weight = mean.values**2
    for axis, origin in enumerate(mean.grid.origin):
        centre = np.sum(weight.sum(axis=1 - axis) * np.arange(weight.shape[axis])) / weight.sum()
        assert abs(centre - origin) < 1  # the centre of mass lies at the point called 0
