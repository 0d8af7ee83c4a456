"""What the strain of a crystal is kept in: maps on an orthogonal grid, regions, facets, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

UNITS = {
    "amplitude": "",
    "phase": "rad",
    "displacement": "nm",
    "strain": "",
    "tilt_1": "deg",
    "tilt_2": "deg",
    "d_spacing": "angstrom",
    "lattice": "angstrom",
}
"""The maps of a `Strain`, with their units; a number without unit has an empty one."""


@dataclass(frozen=True)
class Facet:
    """A flat part of the isosurface.

    Attributes
    ----------
    normal : tuple of float
        Outward unit vector along the array axes.
    area_nm2 : float
        Area, nm².
    share : float
        Share of the whole surface, 0 to 1.
    rms_nm : float
        Root mean square distance of the facet from its plane, nm.
    hkl : tuple of int or None
        The nearest low index of a cubic crystal, if the hkl of Q is known and one lies near.
    off_deg : float or None
        Angle between `normal` and `hkl`, degrees.
    centre_nm : tuple of float
        The middle of the facet, in the coordinates of `Strain.coordinates`.
    strain : float or None
        Mean strain in the surface voxels nearest to the facet.
    """

    normal: tuple[float, float, float]
    area_nm2: float
    share: float
    rms_nm: float
    hkl: tuple[int, int, int] | None = None
    off_deg: float | None = None
    centre_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    strain: float | None = None


@dataclass(frozen=True, eq=False)
class Strain:
    """The displacement and the strain of a crystal along Q.

    All arrays have one shape (n, m, k) and an isotropic voxel. `axes` gives their directions in the laboratory: x outboard, y
    up, z along the beam. Maps other than the amplitude are NaN outside `support`.

    Attributes
    ----------
    maps : mapping
        float32 (n, m, k) by name; `UNITS` lists names and units. "lattice" is there if hkl is known.
    spread : mapping
        The standard deviation of maps over `members` objects, float32 (n, m, k) by the names of `maps`. Empty with one member.
    support, surface, bulk : ndarray
        bool (n, m, k): the crystal inside the isosurface, its outer layer, and the rest.
    voxel_nm : float
        Edge of a voxel, nm.
    axes : ndarray
        float (3, 3): row i is the unit vector of array axis i in the laboratory frame.
    frame : str
        "laboratory" or "crystal".
    q : ndarray
        float (3,), nm⁻¹: the scattering vector along the array axes.
    across : ndarray
        float (2, 3): the directions of "tilt_1" and "tilt_2" along the array axes, perpendicular to Q. A tilt is the slope of the
        displacement in that direction.
    hkl : tuple of float or None
        The reflection.
    threshold : float
        The amplitude of the isosurface.
    histogram : tuple of ndarray
        Number of voxels (bins,) and edges (bins + 1,) of the amplitude inside the phased support.
    facets : tuple of Facet
        The largest first.
    angles_deg : ndarray
        float (facets, facets): the angles between the normals of facets, degrees.
    table : mapping
        Figures by region ("bulk", "surface") and name, each a mapping of "value" and "spread", the latter None with one member.
    facts : mapping
        Sizes, |Q|, d-spacing and the like, by name with the unit in the name.
    notes : tuple of str
        What was assumed, and what a reader must know, in sentences.
    members : int
        Number of objects that `spread` is over.
    kind : str
        "starts" or "samples".
    meta : mapping
        Of the result.
    """

    maps: Mapping[str, Map]
    spread: Mapping[str, Map]
    support: Mask
    surface: Mask
    bulk: Mask
    voxel_nm: float
    axes: NDArray[np.float64]
    frame: str
    q: NDArray[np.float64]
    across: NDArray[np.float64]
    hkl: tuple[float, float, float] | None
    threshold: float
    histogram: tuple[NDArray[np.int64], NDArray[np.float64]]
    facets: tuple[Facet, ...]
    angles_deg: NDArray[np.float64]
    table: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    members: int = 1
    kind: str = "starts"
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of every map."""
        return self.support.shape

    @property
    def coordinates(self) -> tuple[NDArray[np.float64], ...]:
        """Positions of the voxels along each array axis, nm, 0 at index N//2."""
        return tuple(np.asarray(np.arange(n) - n // 2, float) * self.voxel_nm for n in self.shape)

    @property
    def q_direction(self) -> NDArray[np.float64]:
        """The unit vector (3,) of Q along the array axes."""
        return self.q / np.linalg.norm(self.q)

    @property
    def axis_names(self) -> tuple[str, str, str]:
        """The names of the array axes: x, y, z in the laboratory; the third axis is along Q in the crystal's frame."""
        return ("x", "y", "z") if self.frame == "laboratory" else ("across_1", "across_2", "along_q")
