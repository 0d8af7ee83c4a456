"""The surface of an object in three dimensions: triangles, and the quantities that colour them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.grids import SHOWN
from .panels import ColourScale, ImagePanel, PixelGrid

MAX_FACES = 60_000  # triangles of a surface; keeps them below 1.5 MB of a page
FACES_A_SIDE = 2.0  # triangles for each side of a voxel between inside and outside, rarely more
NEEDED = "The 3D view needs plotly and scikit-image. Install them with pip install 'retrieve-phase[view]'."


LABORATORY = "Axes of the laboratory: x outboard, y up, z along the beam."


class SurfaceColour(NamedTuple):
    """A quantity that colours a surface: its name, its values at the vertices (n,), NaN where unknown, and its scale."""

    name: str
    values: NDArray[np.float32]
    scale: ColourScale


@dataclass(frozen=True, eq=False)
class SurfacePanel:
    """A closed surface, which the page lets its reader turn.

    vertices: float32 (n, 3), along orthogonal right-handed axes, in `unit`.  faces: int (m, 3), indices of vertices.
    down: whether the second axis points down on the screen, else it points up.  note: how the surface was found.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.integer]
    colours: Sequence[SurfaceColour]
    names: tuple[str, str, str]
    unit: str
    note: str
    alt: str
    down: bool = False


def can_draw_surfaces() -> bool:
    """Whether the packages that surfaces need are installed."""
    from importlib.util import find_spec

    return find_spec("plotly") is not None and find_spec("skimage") is not None


def half_height(amplitude: NDArray) -> float:
    """Half of the median amplitude (of *shape) inside an object: where its surface lies."""
    body = amplitude[amplitude > SHOWN * amplitude.max()]
    return 0.5 * float(np.median(body)) if body.size else 0.0


def isosurface(amplitude: NDArray, level: float) -> tuple[NDArray[np.float32], NDArray[np.int32], int] | None:
    """The surface on which an amplitude (z, y, x) equals `level`, closed at the array's ends.

    Returns vertices (n, 3), in voxels from the middle of voxel 0, faces (m, 3), whose normals point outwards where the axes are
    right-handed, and the number of voxels along an axis that were averaged first. None where there is no surface. By the
    marching cubes of Lewiner et al., J. Graph. Tools 8 (2003).
    """
    from skimage.measure import marching_cubes

    inside = amplitude > level
    if not level > 0 or not inside.any():
        return None
    box = tuple(slice(max(0, int(i.min()) - 1), int(i.max()) + 2) for i in np.nonzero(inside))
    amplitude = np.asarray(amplitude[box], np.float32)
    step = 1
    while (coarse := _averaged(amplitude, step)).size and FACES_A_SIDE * _sides(coarse > level) > MAX_FACES:
        step += 1
    coarse = np.pad(coarse, 1)
    if not (coarse > level).any():
        return None
    vertices, faces, _, _ = marching_cubes(coarse, level, gradient_direction="ascent")  # its words for outward
    start = [cut.start for cut in box]
    return ((vertices - 0.5) * step - 0.5 + start).astype(np.float32), faces.astype(np.int32), step


def _averaged(amplitude: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Means over blocks of `step` voxels along each axis, zero beyond the array."""
    if step == 1:
        return amplitude
    shape = [math.ceil(n / step) for n in amplitude.shape]
    padded = np.pad(amplitude, [(0, m * step - n) for m, n in zip(shape, amplitude.shape, strict=True)])
    return padded.reshape([length for m in shape for length in (m, step)]).mean(axis=(1, 3, 5))


def _sides(inside: NDArray[np.bool_]) -> int:
    """The number of voxels' sides between inside and outside."""
    padded = np.pad(inside, 1)
    return sum(int(np.count_nonzero(np.diff(padded, axis=axis))) for axis in range(padded.ndim))


def at_vertices(values: NDArray, weight: NDArray, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (*shape) at points (n, 3), in voxels: the mean of the voxels around each, by `weight` (*shape).

    NaN has no weight. A point without any known voxel around takes the value of the nearest point that has one.
    """
    from scipy.ndimage import map_coordinates
    from scipy.spatial import cKDTree

    known = np.isfinite(values)
    weight = np.where(known, weight, 0).astype(np.float32)

    def read(array: NDArray) -> NDArray[np.float32]:
        return map_coordinates(np.asarray(array, np.float32), vertices.T, order=1, mode="nearest")

    total = read(weight)
    found = np.divide(read(np.where(known, values, 0) * weight), total, out=np.full_like(total, np.nan), where=total > 0)
    lost = np.isnan(found)
    if lost.any() and not lost.all():
        found[lost] = found[~lost][cKDTree(vertices[~lost]).query(vertices[lost])[1]]
    return found


def phase_at_vertices(x: NDArray, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """The phase of an object (*shape) at points (n, 3), in voxels."""
    from scipy.ndimage import map_coordinates

    real, imaginary = (map_coordinates(part, vertices.T, order=1, mode="nearest") for part in (x.real, x.imag))
    return np.arctan2(imaginary, real).astype(np.float32)


def placed_surface(
    found: tuple[NDArray[np.float32], NDArray[np.int32]],
    origin: Sequence[float],
    vectors: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices and faces of `isosurface` in space.

    origin: (3,), the voxel called 0.  vectors: (3, 3), row i is the step from voxel to voxel along array axis i. Where
    the rows are left-handed, the faces are turned over, so that their normals point outwards.
    """
    vertices, faces = found
    made = ((vertices - np.asarray(origin)) @ np.asarray(vectors)).astype(np.float32)
    return made, faces if np.linalg.det(vectors) > 0 else faces[:, ::-1]


def object_surface(
    x: NDArray, grid: PixelGrid, scale: ColourScale, edges: NDArray[np.float64] | None = None, more: Sequence[ImagePanel] = ()
) -> SurfacePanel | None:
    """The surface of an object (z, y, x) at half the height of its amplitude, in the colours of its phase; None without one.

    edges: (3, 3), of a voxel in the laboratory, nm, in which the object then stands.  more: maps that may colour it, too.
    """
    amplitude = np.abs(x)
    level = half_height(amplitude)
    found = isosurface(amplitude, level)
    if found is None:
        return None
    vertices, faces, step = found
    vectors = np.diag(grid.size)[:, ::-1] if edges is None else edges  # columns x, y, z, right-handed as images with y down are
    made, faces = placed_surface((vertices, faces), grid.origin, vectors)
    share = level / float(amplitude.max())
    note = f"Surface at half the median amplitude of the object, {share:.0%} of the largest. {averaged_words(step)}{LABORATORY}"
    return SurfacePanel(
        made,
        faces,
        [
            SurfaceColour("phase", phase_at_vertices(x, vertices), scale),
            *(SurfaceColour(panel.title, at_vertices(panel.values, amplitude, vertices), panel.scale) for panel in more),
        ],
        ("x", "y", "z"),
        grid.unit,
        note.removesuffix(LABORATORY if edges is None else "").rstrip(),
        "surface of the object, coloured by its phase",
        down=edges is None,
    )


def averaged_words(step: int) -> str:
    """A note on voxels that were averaged before a surface was sought."""
    return f"Averaged over {step} × {step} × {step} voxels. " * (step > 1)
