import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.report.numbers import decade, number
from retrieve.report.panels import ColourScale, ImagePanel, Outline, PixelGrid, matrix_panel, outline_lines, spans_decades
from retrieve.report.pattern_panels import coarser, intensity_scale, intensity_unit
from retrieve.report.tables import Cell, Column, TablePanel

SCALE = ColourScale("viridis", 0.0, 1.0, "x")


def edges_of(lines):
    """Every unit edge on the lines, as its lower end and direction."""
    found = set()
    for (x0, y0), (x1, y1) in lines.astype(int):
        found |= {(x, y0, "across") for x in range(x0, x1)} | {(x0, y, "down") for y in range(y0, y1)}
    return found


def test_an_outline_has_each_edge_between_inside_and_outside_and_no_other(rng):
    inside = rng.random((9, 7)) < 0.4
    padded = np.pad(inside, 1)
    wanted = {(x, y, "across") for y in range(10) for x in range(7) if padded[y, x + 1] != padded[y + 1, x + 1]}
    wanted |= {(x, y, "down") for y in range(9) for x in range(8) if padded[y + 1, x] != padded[y + 1, x + 1]}
    assert edges_of(outline_lines(inside)) == wanted


def test_the_outline_of_a_rectangle_is_four_lines():
    inside = np.zeros((1024, 1024), bool)
    inside[100:900, 200:700] = True
    lines = outline_lines(inside)
    assert lines.shape == (4, 2, 2)
    assert_array_equal(lines.min(axis=(0, 1)), (200, 100))
    assert_array_equal(lines.max(axis=(0, 1)), (700, 900))


def test_sections_of_a_volume_carry_their_place_pixels_and_outlines():
    values = np.arange(4 * 5 * 6.0).reshape(4, 5, 6)
    grid = PixelGrid(tuple("zyx"), (2, 2, 3), (5.0, 4.0, 2.0), "nm")
    panel = ImagePanel("phase", values, SCALE, grid, outlines=(Outline(values > 50, "white"),), cut=(1, 4, 3))
    across_z, across_y, across_x = panel.sections()
    assert [section.title for section in panel.sections()] == ["phase, z = −5 nm", "phase, y = 8 nm", "phase, x = 0 nm"]
    assert_array_equal(across_y.values, values[:, 4])
    assert_array_equal(across_y.outlines[0].inside, values[:, 4] > 50)
    assert (across_y.grid.label(0), across_y.grid.label(1)) == ("z (nm)", "x (nm)")
    assert across_y.grid.ends(0, 4) == (-12.5, 7.5)
    assert across_x.sections() == [across_x]
    assert_array_equal(across_z.values, values[1])


BARS = [((40, 50), (1, 1), 10), ((9, 40, 70), (1, 12.5, 10), 100), ((64, 64), (0.4, 0.4), 5), ((8, 3), (1, 1), 0.5)]


@pytest.mark.parametrize(("shape", "size", "length"), BARS)
def test_a_scale_bar_is_round_and_fits_every_cut(shape, size, length):
    grid = PixelGrid(tuple("zyx")[-len(shape) :], (0,) * len(shape), size, "nm")
    assert grid.bar(shape) == pytest.approx(length)


def test_a_matrix_is_ordered_by_its_groups():
    matrix = np.arange(9.0).reshape(3, 3)
    panel = matrix_panel("pairs", matrix, [[2, 0], [1]], "starts")
    assert_array_equal(panel.values, matrix[np.ix_([2, 0, 1], [2, 0, 1])])
    assert [int(outline.inside.sum()) for outline in panel.outlines] == [4, 1]
    assert not matrix_panel("pairs", matrix, [[0, 1, 2]], "starts").outlines


def test_a_coarser_image_keeps_its_place_and_leaves_nan_out():
    values = np.array([[1.0, 3.0, 9, 9], [np.nan, 2.0, 9, 9], [9, 9, np.nan, np.nan], [9, 9, np.nan, np.nan]])
    panel = ImagePanel("x", values, SCALE, PixelGrid(tuple("yx"), (2, 2), (1.0, 1.0)))
    small = coarser(panel, largest=2)
    assert_array_equal(small.values, [[2.0, 9.0], [9.0, np.nan]])
    assert small.grid.ends(0, 2) == panel.grid.ends(0, 4)
    assert coarser(panel, largest=4) is panel


def test_the_scale_of_an_intensity_spans_one_to_seven_decades():
    assert intensity_scale(np.array([np.nan, 0.0, *[1e-3] * 99, 1e9]), "counts")[1:3] == (pytest.approx(100), 1e9)
    assert intensity_scale(np.array([5.0, 6.0]), "counts")[1:3] == (pytest.approx(0.6), 6.0)
    assert intensity_scale(np.full(3, np.nan), "counts").high == 1.0
    assert intensity_unit(np.array([*range(50), np.nan])) == "counts"
    assert intensity_unit(np.linspace(0, 7.3, 50)) == "arb. units"


def test_a_column_sorts_by_its_values_and_offers_its_choices():
    noise = Column("noise", [Cell("as measured", None), 0.1, float("nan"), 0.1], choose=True)
    assert [cell.show for cell in noise.cells] == ["as measured", "0.1", "—", "0.1"]
    assert [cell.key for cell in noise.cells] == [None, 0.1, None, 0.1]
    assert noise.numeric
    assert noise.choices == {"": "—", 0.1: "0.1"}
    names = Column("solver", ["hio"] * 4, choose=True)
    assert not names.numeric
    assert not names.choices
    assert Column("share", [0.5], show=lambda v: f"{v:.1%}").cells[0].show == "50.0%"
    assert [cell.show for cell in TablePanel("t", "T", [names, noise]).rows[1]] == ["hio", "0.1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (float("inf"), "∞"),
        (0.0, "0"),
        (0.123456, "0.123"),
        (-2.5, "−2.5"),
        (1.5e-7, "1.5 × 10⁻⁷"),
    ]
    + [(12345, "12 345"), (1000.4, "1 000"), (True, "1"), (3e12, "3 × 10¹²")],
)
def test_numbers_for_reading(value, text):
    assert number(value).replace("\u202f", " ") == text


def test_ticks_of_a_logarithmic_axis():
    assert [decade(v).replace("\u202f", " ") for v in (0.01, 1000, 1e4, 2e-5)] == ["0.01", "1 000", "10⁴", "2 × 10⁻⁵"]


def test_values_that_span_decades():
    assert spans_decades([np.array([1.0, 40.0]), np.array([np.nan])])
    assert not spans_decades([np.array([1.0, 20.0])])
    assert not spans_decades([np.array([0.0, 20.0])])
    assert not spans_decades([])
