"""Displacement and strain against crystals whose displacement is known."""

import numpy as np
import pytest
from made_crystals import D_NM, OPTIONS, blurred, places, result_of, rms, scattering

from retrieve import InputError
from retrieve.numerics.alignment import conjugate_inverse, tilt
from retrieve.strain.maps import perpendicular
from retrieve.strain.measure import strain_in
from retrieve.strain.phase import gradient, unwrapped, vortices
from retrieve.strain.upright import windowed

VOXEL = 4.0
CUBE = np.eye(3) * VOXEL
SKEWED = np.array([[3.5, 0.6, -1.1], [-0.4, 4.2, 0.9], [1.3, -0.7, 4.6]])


def bent(r, width=90.0):
    """A displacement along Q (nm) and its gradient (3, …), smooth, with strain of about 1e-3."""
    x, y, z = r / width
    u = 0.03 * (np.sin(2 * y) + 0.7 * x * y + 0.5 * z**2)
    return u, 0.03 / width * np.stack([0.7 * y, 2 * np.cos(2 * y) + 0.7 * x, z])


def crystal(vectors, shape=(40, 40, 40), radius=50.0):
    """A ball of a bent crystal on an array with these voxel vectors (nm), and its displacement's gradient along Q."""
    r = places(shape, vectors)
    u, slope = bent(r)
    amplitude = blurred((radius - np.linalg.norm(r, axis=0)) / VOXEL)
    return amplitude * np.exp(-2j * np.pi / D_NM * u)


def test_atoms_that_move_along_q_give_their_displacement_and_strain():
    """Kinematic sum over atoms, A(q) = Σ exp(−i q·r): the sign of phase, displacement and strain is that of the atoms."""
    shape, length = (32, 32, 32), 2 * np.pi / D_NM
    rows = {}
    for axis, step in enumerate((0.3, D_NM, 0.3)):
        at = np.arange(-30.0, 30.0, step)
        moved = at + (0.02 * np.sin(at / 12) if axis == 1 else 0)
        q = 2 * np.pi * (np.arange(shape[axis]) - shape[axis] // 2) / (shape[axis] * VOXEL) + (length if axis == 1 else 0)
        rows[axis] = np.exp(-1j * np.outer(q, moved)).sum(axis=1)
    far = rows[0][:, None, None] * rows[1][:, None] * rows[2]
    x = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(far)))
    found = strain_in(result_of([x]), CUBE, scattering(), OPTIONS)
    y = found.coordinates[1][None, :, None] + np.zeros(found.shape)
    inside = found.bulk
    true_u, true_strain = 0.02 * np.sin(y / 12), 0.02 / 12 * np.cos(y / 12)
    mean = true_strain[inside].mean()
    assert rms((found.maps["strain"] - true_strain + mean)[inside]) < 0.2 * true_strain[inside].std()
    trend = true_u - mean * y
    trend -= trend[inside].mean()
    assert rms((found.maps["displacement"] - trend)[inside]) < 0.2 * rms(trend[inside])
    assert np.corrcoef(found.maps["phase"][inside], trend[inside])[0, 1] < -0.9


@pytest.mark.parametrize("direction", [(0, 1, 0), (0.5, 0.7, -0.2)])
@pytest.mark.parametrize("vectors", [CUBE, SKEWED], ids=["cube", "skewed"])
def test_strain_and_tilts_of_a_bent_crystal(vectors, direction):
    found = strain_in(result_of([crystal(vectors)]), vectors, scattering(direction), OPTIONS)
    grid = np.stack(np.meshgrid(*found.coordinates, indexing="ij"))
    shift = np.array([np.average(p, weights=found.support) for p in grid])
    r = places((40, 40, 40), vectors)
    middle = [np.average(p, weights=np.linalg.norm(r, axis=0) < 50) for p in r]
    slope = bent(grid - (shift - middle)[:, None, None, None])[1]
    inside = found.bulk
    assert inside.sum() > 3000
    for name, along in (("strain", found.q_direction), ("tilt_1", found.across[0]), ("tilt_2", found.across[1])):
        true = np.tensordot(along, slope, 1)
        true -= true[inside].mean()
        measured = found.maps[name] if name == "strain" else np.deg2rad(found.maps[name])
        assert rms((measured - true)[inside]) < 0.15 * rms(true[inside]), name


def test_maps_do_not_change_with_ramp_offset_and_shift():
    x = crystal(CUBE)
    one = strain_in(result_of([x]), CUBE, scattering(), OPTIONS)
    other = np.roll(tilt(x * np.exp(2j), [1.9, -2.5, 0.4]), (7, -3, 5), (0, 1, 2))
    two = strain_in(result_of([other]), CUBE, scattering(), OPTIONS)
    assert two.shape == one.shape
    for name in ("strain", "displacement", "tilt_1"):
        both = one.bulk & two.bulk
        assert both.sum() > 0.95 * one.bulk.sum()
        assert rms((one.maps[name] - two.maps[name])[both]) < 0.02 * rms(one.maps[name][both])


def test_a_twin_has_the_strain_of_the_inverted_place():
    x = crystal(CUBE)
    one = strain_in(result_of([x]), CUBE, scattering(), OPTIONS)
    two = strain_in(result_of([conjugate_inverse(x)]), CUBE, scattering(), OPTIONS)
    turned = conjugate_inverse(two.maps["strain"]).real
    both = np.isfinite(turned) & one.bulk
    assert both.sum() > 0.9 * one.bulk.sum()
    assert np.corrcoef(turned[both], one.maps["strain"][both])[0, 1] > 0.98


def dislocated(shape=(40, 40, 40)):
    """A ball with a screw dislocation along z at the middle, Burgers vector of one spacing along Q."""
    r = places(shape, CUBE)
    amplitude = blurred((60 - np.linalg.norm(r, axis=0)) / VOXEL)
    return amplitude * np.exp(1j * np.arctan2(r[1] + 1, r[0] + 1))


def test_a_dislocation_has_strain_without_a_cut_and_is_named():
    found = strain_in(result_of([dislocated()]), CUBE, scattering((1, 0, 0)), OPTIONS)
    x, y = (p[:, None, None] if k == 0 else p[None, :, None] for k, p in enumerate(found.coordinates[:2]))
    x, y = x + 1, y + 1
    distance2 = x**2 + y**2 + np.zeros(found.shape)
    true = D_NM / (2 * np.pi) * y / distance2  # −∂φ/∂x/|Q| with φ the azimuth
    far = found.bulk & (distance2 > (3 * VOXEL) ** 2)
    true = true - true[found.bulk].mean()
    error = found.maps["strain"] - true
    assert rms(error[far]) < 0.2 * rms(true[far])
    assert np.nanmax(np.abs(error[far])) < 0.1 * D_NM / VOXEL  # a cut of the phase would leave half a spacing in a voxel
    for name in ("phase", "displacement", "strain"):
        assert np.isfinite(found.maps[name][found.bulk]).all()
        assert not np.isfinite(found.maps[name][~found.support]).any()
    assert any("dislocation" in note for note in found.notes)


def test_a_crystal_without_dislocation_is_not_said_to_have_one():
    found = strain_in(result_of([crystal(CUBE)]), CUBE, scattering(), OPTIONS)
    assert not any("dislocation" in note for note in found.notes)


def test_the_gradient_is_that_of_the_phase_up_to_pi_a_voxel():
    x = np.exp(1j * 2.9 * np.arange(12))[:, None, None] * np.ones((12, 6, 6))
    slope = gradient(x, np.ones(x.shape, bool))
    np.testing.assert_allclose(slope[0], 2.9, atol=1e-5)
    np.testing.assert_allclose(slope[1:], 0, atol=1e-5)


def test_a_voxel_without_neighbour_has_no_gradient():
    support = np.zeros((5, 5, 5), bool)
    support[2, 2, 1:3] = True
    slope = gradient(np.ones(support.shape, complex), support)
    assert np.isnan(slope[:2]).all()
    assert np.isfinite(slope[2]).sum() == 2


def test_unwrapping_leaves_no_nan_and_refuses_an_empty_support():
    r = places((20, 20, 20), CUBE)
    support = np.linalg.norm(r, axis=0) < 30
    phase = unwrapped(np.exp(1j * r[0] / 4), support)
    assert np.isfinite(phase[support]).all()
    assert np.isnan(phase[~support]).all()
    np.testing.assert_allclose(phase[support], (r[0] / 4)[support] - (r[0] / 4)[support].mean(), atol=1e-3)
    with pytest.raises(InputError, match="isosurface"):
        unwrapped(np.ones((4, 4, 4), complex), np.zeros((4, 4, 4), bool))


def test_vortices_lie_along_the_line_alone():
    x = dislocated()
    found = vortices(x, np.abs(x) > 0.5)
    assert found.any()
    at = np.argwhere(found)
    assert (np.abs(at[:, :2] - 20) <= 1).all()
    assert len(set(at[:, 2])) > 20


def test_windows_keep_the_object_in_its_place_and_take_sharp_edges():
    x = np.zeros((16, 20, 24), np.complex64)
    x[8, 10, 12] = 1
    for name in ("blackman", "gaussian", "tukey"):
        made = windowed(x, name)
        assert np.unravel_index(np.abs(made).argmax(), x.shape) == (8, 10, 12)
        assert np.abs(made[8, 10, 12]) < 0.9
        np.testing.assert_allclose(made.imag, 0, atol=1e-5)


def test_the_directions_of_the_tilts_are_across_q():
    q = np.array([0.3, -0.8, 0.2])
    both = np.vstack([perpendicular(q), q / np.linalg.norm(q)])
    np.testing.assert_allclose(both @ both.T, np.eye(3), atol=1e-12)
