"""The surface of an object: closed, outward, in its place and of bounded size."""

import numpy as np
import pytest

from retrieve.report.panels import ColourScale, PixelGrid
from retrieve.report.surface import (
    MAX_FACES,
    at_vertices,
    half_height,
    isosurface,
    object_surface,
    phase_at_vertices,
    placed_surface,
)

pytest.importorskip("skimage", reason="surfaces need scikit-image")
SCALE = ColourScale("twilight", -np.pi, np.pi, "phase (rad)")


def ball(n, radius):
    """An amplitude that falls from 2 to 0 at a radius, over two voxels."""
    z, y, x = np.indices((n, n, n)) - n // 2
    return np.clip(1 + radius - np.sqrt(z**2 + y**2 + x**2), 0, 2).astype(np.float32)


def volume_of(vertices, faces):
    """The volume inside a closed surface, negative where its normals point inwards."""
    a, b, c = (vertices[faces[:, k]].astype(float) for k in range(3))
    return np.sum(a * np.cross(b, c)) / 6


@pytest.mark.parametrize("vectors", [np.eye(3), np.eye(3)[:, ::-1], np.array([[2.0, 0, 0], [0.5, 3, 0], [0, 1, 4]])])
def test_a_ball_keeps_its_volume_place_and_outside(vectors):
    vertices, faces, step = isosurface(ball(48, 15), 1.0)
    assert step == 1
    made, turned = placed_surface((vertices, faces), (24, 24, 24), vectors)
    wanted = 4 / 3 * np.pi * 15**3 * abs(np.linalg.det(vectors))
    assert volume_of(made, turned) == pytest.approx(wanted, rel=0.02)
    assert np.allclose(made.mean(axis=0), 0, atol=0.3)


def test_an_object_that_fills_its_array_is_closed():
    vertices, faces, _ = isosurface(np.ones((4, 5, 6), np.float32), 0.5)
    assert volume_of(vertices, faces) == pytest.approx(4 * 5 * 6, rel=0.1)


@pytest.mark.parametrize("n", [120, 128])
def test_a_surface_has_a_bounded_number_of_faces(n):
    amplitude = ball(n, 50) + np.random.default_rng(0).exponential(0.5, (n, n, n)).astype(np.float32)
    vertices, faces, step = isosurface(amplitude, 0.9)
    assert step > 1
    assert len(faces) <= MAX_FACES
    assert volume_of(vertices, faces) == pytest.approx(4 / 3 * np.pi * 50**3, rel=0.1)


def test_nothing_has_no_surface():
    assert isosurface(np.zeros((4, 4, 4), np.float32), 0.0) is None
    assert isosurface(np.ones((4, 4, 4), np.float32), 2.0) is None
    assert object_surface(np.zeros((4, 4, 4), np.complex64), PixelGrid(tuple("zyx"), (2, 2, 2), (1.0, 1.0, 1.0)), SCALE) is None


def test_vertices_read_the_phase_and_the_values_around_them():
    amplitude = ball(32, 10)
    z = np.indices(amplitude.shape)[0]
    vertices, _, _ = isosurface(amplitude, 1.0)
    inside = amplitude > 0.5
    phase = phase_at_vertices(amplitude * np.exp(3j + 0.1j * z), vertices)
    assert np.abs(np.angle(np.exp(1j * (phase - 3 - 0.1 * vertices[:, 0])))).max() < 0.05
    values = at_vertices(np.where(inside, 0.1 * z, np.nan), amplitude, vertices)
    assert np.abs(values - 0.1 * vertices[:, 0]).max() < 0.1  # a voxel at most
    assert np.isnan(at_vertices(np.full(z.shape, np.nan), amplitude, vertices)).all()


def test_a_surface_lies_at_half_the_height_in_nanometres_right_handed():
    x = ball(48, 12) * np.exp(0.05j * np.indices((48, 48, 48))[2])
    assert half_height(np.abs(x)) == pytest.approx(1.0)
    grid = PixelGrid(tuple("zyx"), (24, 24, 24), (2.0, 3.0, 4.0), "nm")
    panel = object_surface(x.astype(np.complex64), grid, SCALE)
    assert panel.names == ("x", "y", "z")
    assert np.ptp(panel.vertices, axis=0) == pytest.approx([4 * 24, 3 * 24, 2 * 24], rel=0.02)
    assert volume_of(panel.vertices, panel.faces) > 0
    (colour,) = panel.colours
    assert np.corrcoef(colour.values, panel.vertices[:, 0])[0, 1] > 0.99  # the phase rises along x
    assert "50% of the largest" in panel.note
