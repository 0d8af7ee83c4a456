"""The panels of a strain: upright, in nanometres, with its threshold, its regions and its spread."""

import matplotlib.image
import numpy as np
import pytest

from retrieve.report.strain_panels import (
    figures_table,
    map_panel,
    maps_grid,
    said,
    spread_map,
    strain_charts,
    strain_surface,
    tiles,
)
from retrieve.report.strain_picture import strain_picture


@pytest.mark.parametrize(("axis", "cuts"), [(0, "zy"), (1, "zx"), (2, "yx")])
def test_sections_show_x_to_the_right_and_the_other_axis_up(strain_of, axis, cuts):
    """A map that rises along an axis rises to the right or upwards in the two cuts that hold that axis."""
    sections = dict(zip("zyx", map_panel(strain_of(axis=axis), "strain").sections(), strict=True))
    for name in cuts:
        panel = sections[name]
        assert panel.grid.up
        assert panel.title.startswith(f"strain, {name} = 0 nm")
        along = panel.grid.names.index("xyz"[axis])
        slopes = np.diff(panel.values, axis=along)
        assert np.all(slopes[np.isfinite(slopes)] > 0)
        first, last = panel.grid.ends(along, panel.values.shape[along])
        assert last - first == pytest.approx(2.0 * panel.values.shape[along])


def test_the_picture_draws_maps_upright_with_scale_bars(strain_of, tmp_path):
    figure = strain_picture(strain_of(axis=1), tmp_path / "out.png")
    titled = {axes.get_title(): axes for axes in figure.axes}
    strain = titled["strain, z = 0 nm"]
    (image,) = strain.get_images()
    assert image.origin == "lower"
    left, right, bottom, top = image.get_extent()
    assert left < right
    assert bottom < top
    assert np.nanmean(image.get_array()[-6:]) > 0 > np.nanmean(image.get_array()[:6])
    assert "10 nm" in [text.get_text() for text in strain.texts]
    assert {f"{name}, x = 0 nm" for name in ("amplitude", "phase", "displacement", "strain", "spread of strain")} <= set(titled)
    assert matplotlib.image.imread(tmp_path / "out.png").std() > 0.1


def test_one_object_has_no_spread(strain_of):
    strain = strain_of(members=1)
    assert spread_map(strain, "strain") is None
    assert len(maps_grid(strain).rows) == 1
    assert [chart.title for chart in strain_charts(strain)] == ["Voxels by amplitude", "Strain"]
    assert len(figures_table(strain).columns) == 3
    assert "±" not in "".join(value for _, value, _ in tiles(strain))
    strain_picture(strain)


def test_charts_show_the_threshold_and_the_regions(strain_of):
    amplitude, shares, spread = strain_charts(strain_of())
    assert amplitude.curves[1].x == [0.5, 0.5]
    for chart in (shares, spread):
        for curve in chart.curves:
            assert np.sum(curve.y[::2]) == pytest.approx(1, abs=0.1)  # a share of the voxels, but for those beyond
    assert "bulk" in shares.curves[0].label
    assert "surface" in shares.curves[1].label


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (3.1e-4, 2e-6, "(3.1 ± 0.02) × 10⁻⁴"),
        (-8.3e-5, None, "−8.3 × 10⁻⁵"),
        (2.5, 0.1, "2.5 ± 0.1"),
        (1.4e-4, 4.6e-10, "(1.4 ± less than 0.001) × 10⁻⁴"),
        (0.0, None, "0"),
        (None, None, "—"),
    ],
)
def test_a_figure_is_told_with_its_spread(value, spread, text):
    assert said({"value": value, "spread": spread}) == text


def test_the_surface_stands_in_the_laboratory(strain_of):
    pytest.importorskip("skimage")
    panel = strain_surface(strain_of(axis=1))
    assert panel.names == ("x", "y", "z")
    assert (panel.unit, panel.down) == ("nm", False)
    assert np.ptp(panel.vertices, axis=0) == pytest.approx([30, 30, 30], abs=1)
    assert [colour.name for colour in panel.colours] == ["strain", "displacement", "phase", "spread of strain"]
    for colour in panel.colours:
        assert np.isfinite(colour.values).all()
    assert np.corrcoef(panel.colours[0].values, panel.vertices[:, 1])[0, 1] > 0.99  # strain rises upwards
