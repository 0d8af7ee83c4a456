"""From a result to the strain of its crystal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import InputError
from ..geometry.experiment import Experiment
from ..geometry.space import voxel_vectors
from ..io.result import Result
from .beams import corrected
from .facets import angles_between, facets_of, indexed, surface_of
from .maps import Maps, maps_of, perpendicular, spacings
from .members import Members, Spread, members_of
from .options import Measure
from .phase import vortices
from .record import Facet, Strain
from .regions import Isosurface, Regions, isosurface, regions
from .scattering import Scattering, scattering_of
from .table import Figures, Table, figures_of, table_of
from .upright import Upright

LONG_VORTEX = 5
"""Voxels from which a vortex in the bulk is called a dislocation."""
UNCERTAIN = 0.5
"""Spread of the strain in a voxel over the rms strain, from which a note warns."""
OPTIONS = {
    "diffractometer": "--diffractometer 34idc",
    "energy_kev": "--energy 9",
    "distance_m": "--distance 0.5",
    "pixel_size_um": "--pixel-size 55",
}
"""The option that gives a missing fact of the experiment; any other fact is the angle of a circle."""


def strain_of(result: Result, experiment: Experiment | None = None, options: Measure | None = None) -> Strain:
    """Measure displacement and strain of a phased Bragg crystal along Q.

    Parameters
    ----------
    result : Result
        Of a rocking scan, in three dimensions.
    experiment : Experiment, optional
        Energy, distance, pixels, angles, hkl and lattice; that of the result's meta unless given.
    options : Measure, optional
        Isosurface, window, frame, corrections.

    Returns
    -------
    Strain
        Maps in nanometres, their spread over the starts that explain the data, regions, facets and figures.

    Raises
    ------
    InputError
        For a result of two dimensions or with NaN, an experiment that lacks what strain needs, or a crystal of too few voxels.

    References
    ----------
    Robinson & Harder, Nat. Mater. 8, 291 (2009).
    """
    experiment = experiment or Experiment.from_meta(result.problem.meta)
    check_measurable(result, experiment)
    shape = result.object.shape
    return strain_in(result, voxel_vectors(experiment, shape), scattering_of(experiment, shape), options or Measure())


def check_measurable(result: Result, experiment: Experiment) -> None:
    """Raise `InputError` unless the result has three axes and finite values, and the experiment lacks nothing."""
    x = result.object
    if x.ndim != 3:
        shape = "×".join(map(str, x.shape))
        raise InputError(f"the result has {x.ndim} axes ({shape}); strain needs three: phase a rocking scan of a Bragg peak")
    if not np.isfinite(x).all():
        raise InputError("the object of the result holds NaN; strain needs a start without failure: phase it again")
    if missing := experiment.missing():
        lacking = ", ".join(f"{name} ({OPTIONS.get(name, '--angle CIRCLE=DEGREES')})" for name in missing)
        raise InputError(f"strain needs facts that the result lacks: {lacking}; give them as options, or in the file's meta")


class _Grid(NamedTuple):
    """The orthogonal grid and the crystal on it: what every object of a result shares."""

    way: Upright
    regions: Regions
    scattering: Scattering
    options: Measure

    @property
    def voxel_nm(self) -> float:
        """Edge of a voxel, nm."""
        return self.way.voxel_nm

    @property
    def axes(self) -> NDArray[np.float64]:
        """Directions of the array axes (3, 3) in the laboratory."""
        return self.way.axes

    @property
    def q(self) -> NDArray[np.float64]:
        """Q (3,) along the array axes, nm⁻¹."""
        return np.asarray(self.axes @ self.scattering.q)

    @property
    def across(self) -> NDArray[np.float64]:
        """The directions of the tilts (2, 3) along the array axes."""
        return np.asarray(perpendicular(self.scattering.q) @ self.axes.T)

    def maps(self, x: NDArray[np.complexfloating]) -> Maps:
        """The maps of an object that stands on the grid."""
        o, s = self.options, self.scattering
        if o.refraction or o.absorption:
            incoming = self.axes @ np.array([0, 0, s.wave_number])
            x = corrected(x, self.regions.support, self.voxel_nm, incoming, self.q, o.refraction, o.absorption)
        found = maps_of(x, self.regions.support, self.regions.bulk, self.voxel_nm, self.q, self.across)
        spacing = s.spacing
        if spacing is None:
            mean = self.q * (s.measured / np.linalg.norm(self.q)) + self.axes @ self.way.slope() + found.ramp
            spacing = 20 * np.pi / float(np.linalg.norm(mean))
        return found._replace(maps={**found.maps, **spacings(found.maps["strain"], spacing, s.hkl)})


def strain_in(result: Result, vectors: NDArray[np.float64], scattering: Scattering, options: Measure) -> Strain:
    """Measure the strain of a result whose voxel vectors and Q are known.

    Parameters
    ----------
    result : Result
        In three dimensions.
    vectors : ndarray
        (3, 3), nm: row i is the step along array axis i, in the laboratory frame.
    scattering : Scattering
        Q, the wave number and the lattice.
    options : Measure
        Isosurface, window, frame, corrections.

    Returns
    -------
    Strain
        As of `strain_of`.

    Raises
    ------
    InputError
        For a crystal of too few voxels.
    """
    way = Upright.of(result.object, result.support, vectors, scattering.q, options)
    x = way(result.object)
    amplitude = np.abs(x)
    phased = None if result.support is None else way.mask(result.support)
    surface_at = isosurface(amplitude, phased, options.isosurface)
    found = regions(amplitude, surface_at.threshold, options.layers)
    grid = _Grid(way, found, scattering, options)
    own = grid.maps(x)
    members = members_of(result)
    spread, others = _over(members, result, grid)
    facets = _facets(amplitude, grid, surface_at, own)
    facts, table = _facts(grid, surface_at, spread), _table(own, others, grid)
    notes = (
        *scattering.notes,
        "positive strain is a larger spacing of the planes; positive displacement is along +Q; phase is −Q·u",
        "the mean strain, tilts and displacement of the bulk are zero by the choice of ramp and offset",
        *_about(found, x, grid),
        members.note,
        *_uncertain(facts["strain_spread_in_bulk"], table),
    )
    return Strain(
        maps=own.maps,
        spread=spread.deviations(),
        support=found.support,
        surface=found.surface,
        bulk=found.bulk,
        voxel_nm=way.voxel_nm,
        axes=way.axes,
        frame=options.frame,
        q=grid.q,
        across=grid.across,
        hkl=scattering.hkl,
        threshold=surface_at.threshold,
        histogram=(surface_at.counts, surface_at.edges),
        facets=facets,
        angles_deg=angles_between(facets),
        table=table,
        facts=facts,
        notes=notes,
        members=max(1, spread.count),
        kind=members.kind,
        meta=dict(result.problem.meta),
    )


def _named(regions: Regions) -> dict[str, NDArray[np.bool_]]:
    return {"bulk": regions.bulk, "surface": regions.surface}


def _over(members: Members, result: Result, grid: _Grid) -> tuple[Spread, list[Figures]]:
    """The spread of the maps over the members, and the figures of each; none with one member."""
    spread, others = Spread(), []
    if len(members.indices) > 1:
        for other in members.aligned(result.object):
            maps = grid.maps(grid.way(other)).maps
            spread.add(maps)
            others.append(figures_of(maps, _named(grid.regions)))
    return spread, others


def _table(own: Maps, others: list[Figures], grid: _Grid) -> Table:
    return table_of(figures_of(own.maps, _named(grid.regions)), others)


def _facets(amplitude: NDArray, grid: _Grid, at: Isosurface, own: Maps) -> tuple[Facet, ...]:
    """The facets of the isosurface, with their indices where hkl is known, and their mean strain."""
    surface = surface_of(amplitude, grid.regions.support, at.threshold)
    facets = facets_of(surface, grid.voxel_nm, [n // 2 for n in amplitude.shape], own.maps["strain"])
    return facets if grid.scattering.hkl is None else indexed(facets, grid.scattering.q, grid.scattering.hkl, grid.axes)


def _about(found: Regions, x: NDArray[np.complexfloating], grid: _Grid) -> list[str]:
    """What a reader must know of the crystal and of the corrections."""
    said = []
    if found.left_out > 0.01:
        said.append(f"other parts hold {found.left_out:.0%} of the voxels above the isosurface; the largest part is measured")
    labels, count = ndimage.label(vortices(x, found.support) & found.bulk, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:] if count else np.zeros(0, int)
    if longest := [int(size) for size in sorted(sizes, reverse=True) if size >= LONG_VORTEX]:
        said.append(
            f"the phase turns by 2π around {len(longest)} line(s) in the bulk, of {', '.join(map(str, longest))} voxels, as "
            "around a dislocation or where phasing failed; phase and displacement have a cut there, strain and tilts have none"
        )
    o = grid.options
    if o.refraction or o.absorption:
        said.append(
            f"refraction and absorption were removed for δ {o.refraction:g} and β {o.absorption:g}, which fill the isosurface "
            "evenly, along straight beams"
        )
    if o.apodise != "none":
        said.append(f"the pattern was multiplied by a {o.apodise} window, which widens the resolution")
    return said


def _uncertain(spread: float | None, table: Table) -> list[str]:
    """A note where the objects of the spread differ in a voxel by about the strain itself."""
    rms = table["bulk"]["strain_rms"]["value"]
    if spread is None or rms is None or spread < UNCERTAIN * rms:
        return []
    return [
        f"the strain of a voxel in the bulk differs by {spread:.1e} between the objects of the spread, at {rms:.1e} rms of the "
        "strain itself: read means over regions, or take --apodise blackman"
    ]


def _facts(grid: _Grid, at: Isosurface, spread: Spread) -> dict[str, Any]:
    """Sizes and lengths, each with its unit in the name."""
    support, voxel = grid.regions.support, grid.voxel_nm
    extent = [(int(np.ptp(np.flatnonzero(support.any(axis=tuple(a for a in range(3) if a != k))))) + 1) * voxel for k in range(3)]
    rms = spread.deviations().get("strain")
    inside = None if rms is None else rms[grid.regions.bulk]
    return {
        **grid.scattering.facts,
        "voxel_nm": voxel,
        "size_nm": extent,
        "volume_nm3": float(support.sum()) * voxel**3,
        "isosurface": at.threshold,
        "isosurface_share_of_bulk": at.threshold / at.bulk,
        "strain_spread_in_bulk": None if inside is None else float(np.sqrt(np.nanmean(np.square(inside, dtype=float)))),
    }
