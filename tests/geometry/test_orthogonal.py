"""The orthogonal grid: a handed object measured at each diffractometer comes back where it was."""

import numpy as np
import pytest
from setups_at import ANGLES, experiment_at, letters

from retrieve.errors import InputError
from retrieve.geometry.diffractometers import named
from retrieve.geometry.orthogonal import frame_axes, to_orthogonal
from retrieve.geometry.space import q_of, voxel_vectors

SHAPE = (32, 40, 40)
PLACES = np.array([[0, 0, 0], [230, 0, 0], [0, 180, 0], [0, 0, 130]], dtype=float)  # nm: a left and a right hand differ
WEIGHTS = np.exp(1j * np.array([0.0, 2.0, -1.2, 0.7])) * [2.0, 1.6, 1.3, 1.0]
WIDTH = 45.0  # nm


def exact_q(experiment, shape):
    """Q of every frame and pixel, turned back with the crystal to the middle frame, by xrayutilities (3, *shape), nm⁻¹."""
    xu = pytest.importorskip("xrayutilities")
    setup = named(experiment.diffractometer)
    detector = [letters(c.axis) for c in setup.detector] or ["z+"]
    convert = xu.QConversion([letters(c.axis) for c in setup.sample], detector, (1, 0, 0), en=1e3 * experiment.energy_kev)
    convert.init_area(
        letters(setup.rows),
        letters(setup.columns),
        cch1=experiment.direct_beam[0],
        cch2=experiment.direct_beam[1],
        Nch1=shape[1],
        Nch2=shape[2],
        distance=experiment.distance_m,
        pwidth1=1e-6 * experiment.pixel_size_um[0],
        pwidth2=1e-6 * experiment.pixel_size_um[1],
    )
    angles = [np.asarray(c.angle_in(experiment.angles_deg) or 0.0) - c.zero_deg for c in (*setup.sample, *setup.detector)]
    angles += [] if setup.detector else [np.asarray(0.0)]
    q = 10 * np.stack(convert.area(*[a if a.ndim else float(a) for a in angles]))
    still = [float(a[shape[0] // 2] if a.ndim else a) for a in angles[: len(setup.sample)]]
    columns = np.stack([convert.transformSample2Lab(e, *still)[[1, 2, 0]] for e in np.eye(3)], axis=1)
    return np.einsum("ab,b...->a...", columns, q)


def measured(experiment, shape):
    """The object that an exact solver makes of the diffraction of the blobs: the inverse transform of the far field."""
    q = exact_q(experiment, shape) - q_of(experiment, shape)[0][:, None, None, None]
    blur = np.exp(-0.5 * WIDTH**2 * (q**2).sum(axis=0))
    field = blur * sum(w * np.exp(-1j * np.einsum("a,a...->...", place, q)) for w, place in zip(WEIGHTS, PLACES, strict=True))
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(field)))


def blobs_at(grid, places, axes):
    """The values of an orthogonal array nearest to places in the laboratory, nm."""
    index = np.rint(places @ axes.T / grid.voxel_nm).astype(int) + np.array([n // 2 for n in grid.array.shape])
    return grid.array[tuple(index.T)]


@pytest.mark.parametrize("name", ANGLES)
def test_a_handed_object_comes_back_from_each_geometry(name):
    experiment = experiment_at(name, SHAPE)
    vectors = voxel_vectors(experiment, SHAPE)
    x = measured(experiment, SHAPE)
    grid = to_orthogonal(x, vectors, voxel_nm=10.0, shape=(56, 56, 56))
    found = blobs_at(grid, PLACES, grid.axes)
    found /= found[0] / WEIGHTS[0]
    assert np.abs(found - WEIGHTS).max() < 0.1  # right in phase, too: a conjugate would be off by up to 2.9
    mirrored = np.abs(blobs_at(grid, -PLACES[1:], grid.axes))
    assert mirrored.max() < 0.3 * np.abs(blobs_at(grid, PLACES[1:], grid.axes)).min()


def test_the_frame_of_the_crystal_is_turned_not_mirrored():
    experiment = experiment_at("id01", SHAPE)
    q = q_of(experiment, SHAPE)[0]
    vectors = voxel_vectors(experiment, SHAPE)
    grid = to_orthogonal(measured(experiment, SHAPE), vectors, 10.0, "crystal", q=q, shape=(56, 56, 56))
    assert grid.axes[2] == pytest.approx(q / np.linalg.norm(q))
    assert grid.axes @ grid.axes.T == pytest.approx(np.eye(3))
    assert np.linalg.det(grid.axes) == pytest.approx(1)
    found = blobs_at(grid, PLACES, grid.axes)
    assert np.abs(found / (found[0] / WEIGHTS[0]) - WEIGHTS).max() < 0.1
    along_x = frame_axes("crystal", np.array([3.0, 0, 0]))
    assert along_x @ [1, 0, 0] == pytest.approx([0, 0, 1])


def skewed(shape=(28, 32, 36)):
    """A ball with a smooth phase of several turns on a skewed grid, and the function of the place that it samples."""
    vectors = np.array([[9.0, 1.0, 2.0], [0.5, -6.0, 1.0], [2.5, 0.3, -5.5]])
    index = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"), axis=-1)

    def value(r):
        return np.exp(-0.5 * (np.linalg.norm(r, axis=-1) / 26) ** 2 + 1j * (0.001 * (r**2).sum(axis=-1) + 0.06 * r[..., 0]))

    return vectors, value, value(index @ vectors)


def test_wraps_of_the_phase_do_no_harm():
    vectors, value, x = skewed()
    grid = to_orthogonal(x, vectors, shape=(48, 48, 48))
    assert grid.voxel_nm == pytest.approx(abs(np.linalg.det(vectors)) ** (1 / 3))
    r = np.stack(np.meshgrid(*[(np.arange(48) - 24) * grid.voxel_nm] * 3, indexing="ij"), axis=-1)
    truth = value(r)
    seen = np.abs(truth) > 0.1
    assert np.ptp(np.angle(truth[seen])) > 6
    assert np.abs(grid.array - truth)[seen].max() < 0.02


def test_the_grid_holds_the_object_whatever_its_shape():
    vectors, _, x = skewed()
    support = np.abs(x) > 0.5
    grid = to_orthogonal(support, vectors, voxel_nm=3.0, order=1)
    assert grid.array.dtype == bool
    volume = support.sum() * abs(np.linalg.det(vectors))
    assert grid.array.sum() * 27 == pytest.approx(volume, rel=0.05)
    edges = [grid.array.any(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    assert not any(edge[0] or edge[-1] for edge in edges)
    assert to_orthogonal(np.abs(x), vectors).array.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": np.ones((4, 4))}, "2 axes; an orthogonal grid needs three"),
        ({"array": np.zeros((4, 4, 4))}, "zero everywhere"),
        ({"frame": "lab"}, "frame='lab' is unknown"),
        ({"frame": "crystal"}, "needs the scattering vector"),
        ({"voxel_nm": -1.0}, "voxel_nm=-1 is out of range"),
        ({"voxel_nm": 1e-3}, "too large; give larger voxels"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    given = {"array": np.ones((4, 4, 4)), "vectors": np.eye(3)} | change
    with pytest.raises(InputError, match=message):
        to_orthogonal(**given)
