"""Isosurface, surface and bulk; facets; the beams' paths."""

import itertools

import numpy as np
import pytest
from made_crystals import OPTIONS, blurred, places, result_of, rms, scattering
from scipy import ndimage
from scipy.spatial.transform import Rotation

from retrieve import InputError
from retrieve.strain.beams import corrected, path_length
from retrieve.strain.facets import angles_between, facets_of, indexed, surface_of
from retrieve.strain.measure import strain_in
from retrieve.strain.regions import isosurface, regions

INDICES = [h for h in itertools.product((-1, 0, 1), repeat=3) if any(h)]


def truncated_octahedron(turn, size=56, reach=19.0, cut=0.97):
    """The amplitude of a crystal with {111} and {100} facets, turned; blurred by a resolution of about two voxels."""
    r = places((size,) * 3, np.eye(3))
    depth = np.full(r.shape[1:], np.inf)
    for h in INDICES:
        if sum(map(abs, h)) in (1, 3):
            normal = turn.apply(np.array(h) / np.linalg.norm(h))
            distance = reach * (cut if sum(map(abs, h)) == 3 else 1.0)
            depth = np.minimum(depth, distance - np.tensordot(normal, r, 1))
    return ndimage.gaussian_filter(blurred(depth), 0.8)


def test_the_isosurface_of_a_blurred_crystal_lies_at_its_edge():
    r = places((48, 48, 48), np.eye(3))
    depth = 15.0 - np.abs(r).max(axis=0)
    rng = np.random.default_rng(0)
    for blur in (0.5, 1.5):
        amplitude = 7 * ndimage.gaussian_filter(blurred(depth), blur) + np.abs(rng.normal(0, 0.2, r.shape[1:]))
        found = isosurface(amplitude)
        assert 0.4 * 7 < found.threshold < 0.6 * 7
        assert found.counts.sum() == (amplitude > 0.05 * amplitude.max()).sum()
        inside = regions(amplitude, found.threshold, 2).support
        for axis in range(3):
            line = inside.any(axis=tuple(a for a in range(3) if a != axis))
            assert abs(line.sum() - 31) <= 2


def test_surface_and_bulk_share_the_crystal_with_its_holes():
    amplitude = np.zeros((30, 30, 30))
    amplitude[5:25, 5:25, 5:25] = 1
    amplitude[14:16, 14:16, 14:16] = 0.1
    amplitude[1:3, 1:3, 1:3] = 1
    found = regions(amplitude, 0.5, 2)
    assert found.support.sum() == 20**3
    assert not (found.surface & found.bulk).any()
    assert (found.surface | found.bulk).sum() == 20**3
    assert found.bulk.sum() == 16**3
    assert 0 < found.left_out < 0.01


@pytest.mark.parametrize(
    ("size", "layers", "words"),
    [(3, 1, "at least 5"), (6, 2, "--layers"), (0, 1, "--isosurface")],
    ids=["thin", "all surface", "none"],
)
def test_a_crystal_that_is_too_small_is_refused(size, layers, words):
    amplitude = np.full((20, 20, 20), 0.01)
    amplitude[5 : 5 + size, 5:15, 5:15] = 1 if size < 6 else 0.01
    amplitude[5 : 5 + size, 5 : 5 + size, 5 : 5 + size] = 1
    with pytest.raises(InputError, match=words):
        regions(amplitude, 0.5, layers)


def test_an_object_of_zeros_is_refused():
    with pytest.raises(InputError, match="zero everywhere"):
        isosurface(np.zeros((8, 8, 8)))


@pytest.mark.parametrize("seed", range(3))
def test_facets_of_a_truncated_octahedron_have_its_angles_and_indices(seed):
    turn = Rotation.random(random_state=seed)
    amplitude = truncated_octahedron(turn)
    at = isosurface(amplitude)
    inside = regions(amplitude, at.threshold, 2).support
    found = facets_of(surface_of(amplitude, inside, at.threshold), 5.0, [28] * 3)
    found = indexed(found, turn.apply([1, 1, 1]), (1, 1, 1))
    families = [sorted(map(abs, facet.hkl)) for facet in found if facet.hkl]
    assert len(found) == 14
    assert families.count([1, 1, 1]) == 8
    assert families.count([0, 0, 1]) == 6
    assert max(facet.off_deg for facet in found) < 2
    assert sum(facet.share for facet in found) < 1
    angles = angles_between(found)
    planes = np.array([facet.hkl for facet in found], float)
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    ideal = np.rad2deg(np.arccos(np.clip(planes @ planes.T, -1, 1)))
    assert np.abs(angles - ideal).max() < 2.5
    for facet in found:  # outward, and the middle lies on the facet
        assert np.dot(facet.normal, facet.centre_nm) > 0
        assert facet.rms_nm < 5.0


def test_indices_are_right_handed_in_the_laboratory():
    """A left-handed set of array axes must not mirror the indices."""
    turn = Rotation.random(random_state=1)
    amplitude = truncated_octahedron(turn, cut=0.9)
    at = isosurface(amplitude)
    inside = regions(amplitude, at.threshold, 2).support
    axes = np.eye(3)[::-1]
    plain = facets_of(surface_of(amplitude.transpose(2, 1, 0), inside.transpose(2, 1, 0), at.threshold), 1.0, [28] * 3)
    found = indexed(plain, turn.apply([1, 1, 1]), (1, 1, 1), axes)
    known = [facet for facet in found if facet.hkl]
    assert len(known) >= 8
    for a, b, c in itertools.combinations(known, 3):
        measured = np.linalg.det([np.array(f.normal) @ axes for f in (a, b, c)])
        assert measured * np.linalg.det([f.hkl for f in (a, b, c)]) > -0.1


def test_a_ball_has_no_facets():
    amplitude = blurred(16 - np.linalg.norm(places((48, 48, 48), np.eye(3)), axis=0))
    inside = amplitude > 0.5
    assert facets_of(surface_of(amplitude, inside, 0.5), 1.0, [24] * 3) == ()
    assert indexed((), np.array([0, 1, 0]), (1, 1, 1)) == ()


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (0.4, -0.5, 0.8)])
def test_the_way_inside_a_ball_is_its_chord(direction):
    r = places((40, 40, 40), np.eye(3))
    inside = np.linalg.norm(r, axis=0) < 14
    forward = np.array(direction) / np.linalg.norm(direction)
    along = np.tensordot(forward, r, 1)
    across2 = (r**2).sum(axis=0) - along**2
    chord = along + np.sqrt(np.maximum(14.0**2 - across2, 0))
    way = path_length(inside, forward)
    deep = np.linalg.norm(r, axis=0) < 12
    assert np.abs(way - chord)[deep].max() < 1.5
    assert abs((way - chord)[deep].mean()) < 0.3


def test_refraction_and_absorption_are_removed():
    r = places((40, 40, 40), np.eye(3))
    inside = np.linalg.norm(r, axis=0) < 14
    k, q, voxel = np.array([0, 0, 45.6]), np.array([0, 26.7, -8.6]), 6.0
    delta, beta = 4.6e-5, 4.0e-6
    length = np.zeros(inside.shape)
    for beam in (k, -(k + q)):
        forward = beam / np.linalg.norm(beam)
        along = np.tensordot(forward, r, 1)
        length += along + np.sqrt(np.maximum(14.0**2 - (r**2).sum(axis=0) + along**2, 0))
    x = np.where(inside, np.exp(np.linalg.norm(k) * voxel * length * (-1j * delta - beta)), 0)
    found = corrected(x, inside, voxel, k, q, delta, beta)
    deep = np.linalg.norm(r, axis=0) < 12
    assert np.angle(x[deep]).std() > 3 * np.angle(found[deep] / found[deep].mean()).std()
    assert np.abs(np.angle(found[deep])).max() < 0.1
    assert np.abs(np.abs(found[deep]) - 1).max() < 0.01


def test_refraction_changes_the_displacement_of_a_real_crystal_and_is_noted():
    x = blurred(14 - np.linalg.norm(places((40, 40, 40), np.eye(3)), axis=0)) + 0j
    plain = strain_in(result_of([x]), np.eye(3) * 6.0, scattering(), OPTIONS)
    options = type(OPTIONS)(refraction=4.6e-5, absorption=4e-6)
    found = strain_in(result_of([x]), np.eye(3) * 6.0, scattering(), options)
    assert rms(plain.maps["displacement"][plain.bulk]) < 1e-6
    assert 1e-4 < rms(found.maps["displacement"][found.bulk]) < 0.1
    assert any("4.6e-05" in note for note in found.notes)


def test_the_search_for_facets_ends_on_a_rough_surface():
    """Normals of a rough surface draw a direction far from where it began."""
    rng = np.random.default_rng(3)
    for seed_width in (1.0, 2.0):
        r = places((32, 32, 32), np.eye(3))
        rough = ndimage.gaussian_filter(rng.normal(size=r.shape[1:]), seed_width)
        amplitude = blurred(10 - np.linalg.norm(r, axis=0) + 2 * rough / rough.std())
        inside = regions(amplitude, 0.5, 1).support
        found = facets_of(surface_of(amplitude, inside, 0.5), 1.0, [16] * 3)
        assert all(0 < facet.share < 0.2 for facet in found)
