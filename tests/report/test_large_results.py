"""A large result neither takes minutes nor fills the memory."""

import time
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

SECONDS_A_MEGAPIXEL = 3.0  # of CPU time; 0.5 for a picture and 2 for a page on a quiet core
ARRAYS = 10  # complex128, of the object's shape


def two_starts(n):
    """A result of two starts of n² pixels, as a solve leaves it."""
    rng = np.random.default_rng(0)
    x = crystal((n, n), seed=0, fill=0.4, phase=2.0)
    x *= np.sqrt(1e8 / np.sum(np.abs(x) ** 2))
    noise = rng.normal(0, 0.05, (2, n, n)) * np.abs(x).max() * (np.abs(x) > 0)
    estimates = (x + noise).astype(np.complex64)
    return Result(
        object=estimates[1],
        estimates=estimates,
        supports=np.abs(estimates) > 0,
        chosen=1,
        scores=(Score(0.02, 0.05), Score(0.01, 0.05)),
        history=({"step": [20.0, 40.0], "r": [0.3, 0.02], "r_free": [0.4, 0.05]},) * 2,
        cost=Cost(),
        problem=Problem.from_arrays(intensity=measure(x, photons=1e8), mask=beam_stop((n, n), 4)),
        spread=np.abs(noise[0]).astype(np.float32),
        manifest={"solver": "hio"},
    )


def seconds(draw, result):
    """CPU time of a call."""
    begun = time.process_time()
    draw(result)
    return time.process_time() - begun


@pytest.mark.parametrize("n", [512, pytest.param(1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["picture", "page"])
def test_a_large_result_is_drawn_in_seconds_and_little_memory(what, n, tmp_path):
    draw = {"picture": lambda result: result_picture(result, tmp_path / "out.png"), "page": page}[what]
    draw(two_starts(64))  # imports, fonts
    base, result = seconds(draw, two_starts(64)), two_starts(n)
    assert seconds(draw, result) < base + SECONDS_A_MEGAPIXEL * max(0.5, n**2 / 2**20)
    tracemalloc.start()
    try:
        draw(result)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ARRAYS * 16 * n**2


def test_an_object_that_fills_a_large_array_is_drawn_in_little_memory(tmp_path):
    """No support, noise everywhere: outlines and boxes do not help."""
    result = two_starts(512)
    noise = np.random.default_rng(1).normal(size=(2, 2, 512, 512)).astype(np.float32)
    wild = replace(result, estimates=noise[0] + 1j * noise[1], object=noise[0, 0] + 1j * noise[1, 0], supports=noise[0] > 0)
    tracemalloc.start()
    try:
        result_picture(wild, tmp_path / "out.png")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ARRAYS * 16 * 512**2


def test_modes_of_a_large_box_are_thinned_around_its_middle():
    result = two_starts(1024)
    grid = modes_of_starts(result, agreement_of(result), "counts")
    mean = grid.rows[0].panels[0]
    assert MODES_PIXELS / 4 < mean.values.size <= MODES_PIXELS
    assert f"One pixel in {mean.grid.size[0]:g} along each axis" in grid.note
    weight = mean.values**2
    for axis, origin in enumerate(mean.grid.origin):
        centre = np.sum(weight.sum(axis=1 - axis) * np.arange(weight.shape[axis])) / weight.sum()
        assert abs(centre - origin) < 1  # the centre of mass lies at the point called 0
