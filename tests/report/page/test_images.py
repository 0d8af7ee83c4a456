import base64
import io

import numpy as np
from matplotlib import colormaps
from numpy.testing import assert_array_equal
from PIL import Image

from retrieve.report.page.images import MAX_SIDE, MAX_VOXELS, atlas, png, thinned
from retrieve.report.panels import ColourScale, ImageGrid, ImagePanel, ImageRow, Outline, PixelGrid


def test_png_gives_the_colours_back():
    uri = png(np.array([[0.0, 1.0, 2.0], [np.nan, -5.0, 9.0]]), ColourScale("viridis", 0.0, 2.0, "x"))
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))
    first, last = (np.round(255 * np.array(colormaps["viridis"](share)[:3])) for share in (0.0, 1.0))
    assert_array_equal(image[0, 0, :3], first)
    assert_array_equal(image[1, 1, :3], first)
    assert_array_equal(image[0, 2, :3], last)
    assert_array_equal(image[1, 2, :3], last)
    assert image[1, 0, 3] == 0
    assert image[0, 1, 3] == 255


def test_atlas_holds_every_cut_in_its_place():
    volume = np.arange(5 * 2 * 4).reshape(5, 2, 4)
    sheet, across = atlas(volume)
    for z in range(5):
        row, column = z // across * 2, z % across * 4
        assert_array_equal(sheet[row : row + 2, column : column + 4], volume[z])


def test_large_volumes_are_thinned_with_their_origin_and_outlines():
    volume = np.arange(4 * 6 * (2 * MAX_SIDE[3] + 2)).reshape(4, 6, -1)
    pixels = PixelGrid(tuple("zyx"), (3, 4, MAX_SIDE[3]), (2.0,) * 3, "nm")
    outline = Outline(volume % 2 == 0, "white")
    panel = ImagePanel("x", volume, ColourScale("viridis", 0, 1, "x"), pixels, outlines=(outline,))
    grid, step = thinned(ImageGrid([ImageRow([panel, None])]))
    shown, nothing = grid.rows[0].panels
    assert (step, nothing) == (3, None)
    assert shown.values.shape == (2, 2, 75)
    assert shown.values[shown.grid.origin] == volume[pixels.origin]
    assert shown.grid.size == (6.0,) * 3
    assert_array_equal(shown.outlines[0].inside, shown.values % 2 == 0)


def test_a_small_image_is_left_as_it_is():
    panel = ImagePanel("x", np.eye(5), ColourScale("viridis", 0, 1, "x"), PixelGrid(tuple("yx"), (2, 2), (1.0, 1.0)))
    grid, step = thinned(ImageGrid([ImageRow([panel])]))
    assert step == 1
    assert_array_equal(grid.rows[0].panels[0].values, np.eye(5))


def test_many_volumes_under_one_slider_are_thinned_together():
    volume = np.zeros((100, 100, 100), np.float32)
    pixels = PixelGrid(tuple("zyx"), (50, 50, 50), (2.0,) * 3, "nm")
    panel = ImagePanel("x", volume, ColourScale("viridis", 0, 1, "x"), pixels)
    for panels, step in ((5, 1), (8, 2)):
        grid, found = thinned(ImageGrid([ImageRow([panel] * panels)]))
        assert found == step
        assert sum(panel.values.size for row in grid.rows for panel in row.panels) <= MAX_VOXELS
