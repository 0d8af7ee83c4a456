"""Pictures and pages of results that tell where the object is not determined."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.evaluate.uncertainty import uncertainty_of
from retrieve.io.result import Cost, Result
from retrieve.numerics.alignment import align
from retrieve.problem.scoring import Score
from retrieve.report.page import page
from retrieve.report.result_picture import plot
from retrieve.report.uncertainty_panels import shells_panel, uncertainty_panel
from retrieve.simulate import Noise, crystal
from retrieve.simulate.noise import simulated_problem

SHAPES = [(48, 48), (24, 26, 28)]


def result_of(shape, part=0.1, starts=2):
    """Starts that fit alike, of which all but the first have a share of the amplitude in a part."""
    x = np.roll(crystal(shape, seed=0, fill=0.4), 2, 0)
    problem = simulated_problem(x, noise=Noise(photons=1e7, support="unknown"), seed=0)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(n // 2, n // 2 + 4) for n in shape)] = True
    other = np.where(inside, part * problem.truth, problem.truth)
    estimates = np.stack([problem.truth, *[other] * (starts - 1)])
    scores = (Score(0.1, 0.1, deviance=1.1),) * starts
    result = Result(estimates[0], estimates, np.abs(estimates) > 0, scores, 0, ({},) * starts, Cost(), problem)
    return replace(result, uncertainty=uncertainty_of(result))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_picture_shows_the_map_and_the_words(shape):
    result = result_of(shape)
    figure = plot(result)
    titles = {axes.get_title() for axes in figure.axes}
    assert {"uncertainty"} <= titles if len(shape) == 2 else {f"uncertainty, {axis} = 0" for axis in "zyx"} <= titles
    assert result.uncertainty.words[:40] in figure.get_suptitle().replace("\n", " ")
    bare = plot(replace(result, uncertainty=None))
    assert not any(axes.get_title().startswith("uncertainty") for axes in bare.figure.axes)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_map_lies_in_the_box_of_the_object(shape):
    from retrieve.report.result_panels import place

    result = result_of(shape)
    for known in (None, align(result.object, np.roll(result.problem.truth, 3, 1), subpixel=1)):
        placed = place(result, None, known)
        panel = uncertainty_panel(result, placed.grid, placed.x.shape, known)
        assert panel.values.shape == placed.x.shape
        top = np.abs(placed.x).max()
        assert np.isfinite(panel.values[np.abs(placed.x) > 0.2 * top]).mean() > 0.99
        assert np.isnan(panel.values[np.abs(placed.x) < 0.01 * top]).mean() > 0.95
        assert_array_equal(panel.outlines[0].inside, np.nan_to_num(panel.values) > result.uncertainty.level)


def test_the_page_tells_where_and_up_to_which_frequency():
    html = page(result_of((48, 48)))
    for part in (">Uncertainty</h2>", "are not determined", "Agreement by spatial frequency"):
        assert part in html
    one = result_of((48, 48), starts=1)
    html = page(one)
    assert "needs two or more" in html
    assert "Agreement by spatial frequency" not in html
    assert shells_panel(one) is None
    assert ">Uncertainty</h2>" not in page(replace(one, uncertainty=None))


def test_the_surface_of_a_volume_shows_its_uncertainty():
    pytest.importorskip("skimage")
    pytest.importorskip("plotly")
    assert '<button type="button" aria-pressed="false">uncertainty</button>' in page(result_of(SHAPES[1]))
