"""Units, ranges and titles of what is drawn in colours: in pictures and pages of results, analyses and comparisons."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from retrieve.evaluate.analyze import analyze
from retrieve.report.analysis_picture import analysis_picture
from retrieve.report.numbers import ordinal
from retrieve.report.page import page
from retrieve.simulate import crystal, measure


def labels_of(figure):
    return [axes.get_ylabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]


@pytest.fixture
def volumes(ensemble):
    """A result of several starts in three dimensions, of counts or not."""

    def make(counts):
        x = crystal((20, 22, 24), seed=0, fill=0.4, phase=6.0)
        x *= np.sqrt(1e6 / np.sum(np.abs(x) ** 2))
        made = ensemble()
        rng = np.random.default_rng(0)
        starts = np.stack([x * (1 + 0.05 * rng.standard_normal(x.shape)) for _ in made.estimates]).astype(np.complex64)
        intensity = measure(x, photons=1e6)
        problem = type(made.problem).from_arrays(intensity=intensity if counts else 0.3 * intensity, truth=x)
        supports = np.abs(starts) > 0
        return replace(made, object=starts[0], estimates=starts, supports=supports, problem=problem, spread=None, held=None)

    return make


@pytest.mark.slow
@pytest.mark.parametrize(("counts", "unit"), [(True, "√counts"), (False, "arb. units")])
def test_an_analysis_has_the_units_and_the_cyclic_phase_of_its_data(volumes, counts, unit):
    made = analyze([volumes(counts)])
    labels = labels_of(analysis_picture(made))
    assert f"amplitude ({unit})" in labels
    assert f"std of amplitude ({unit})" in labels
    assert "phase (rad)" in labels
    html = page(made)
    assert f"<span>amplitude ({unit})</span>" in html
    assert "<span>phase (rad)</span><span>−π<i" in html


@pytest.mark.slow
def test_no_title_of_an_analysis_runs_into_its_neighbours(volumes):
    figure = analysis_picture(analyze([volumes(True)]))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = canvas.get_renderer()
    assert "cut at z = 0" in figure.get_suptitle()
    for axes in figure.axes:
        title = axes.title.get_window_extent(drawn)
        others = [other for other in figure.axes if other is not axes and axes.get_title()]
        assert not any(title.overlaps(other.get_window_extent(drawn)) for other in others), axes.get_title()


def test_numbers_of_an_analysis_of_one_pair_are_whole(ensemble):
    figure = analysis_picture(analyze([ensemble((0, 0))]))
    axes = next(axes for axes in figure.axes if axes.get_title().startswith("a  phase"))
    assert all(float(tick).is_integer() for tick in axes.get_yticks())
    low, high = axes.get_xlim()
    assert high - low < 0.2
    matrix = next(axes for axes in figure.axes if axes.get_title().startswith("e  "))
    assert all(float(tick).is_integer() for tick in matrix.get_xticks())


def test_a_comparison_of_counts_says_so(comparison_of):
    made = comparison_of()
    counted = tuple(replace(one, amplitude=np.sqrt(np.round(100 * one.amplitude**2))) for one in made.pictures)
    html = page(replace(made, pictures=counted))
    assert "<span>intensity (counts)</span>" in html
    assert "<span>amplitude (√counts)</span>" in html
    assert "<span>intensity (arb. units)</span>" in page(made)


def test_voxels_of_two_lengths_have_three_lengths_on_the_page(result_of):
    assert "voxels of 8 × 5 × 5 nm" in page(result_of((16, 18, 20), meta={"voxel_size_nm": (8.0, 5.0, 5.0)}))
    assert "voxels of 5 nm" in page(result_of((16, 18, 20), meta={"voxel_size_nm": 5.0}))


def test_ordinals():
    said = [ordinal(index) for index in (0, 9, 10, 11, 12, 20, 21, 99, 110, 111)]
    assert said == ["first", "tenth", "11th", "12th", "13th", "21st", "22nd", "100th", "111th", "112th"]
