"""The picture of a strain: three sections of amplitude, displacement and strain, and the histograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..strain.record import UNITS, Strain
from .figure import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("amplitude", "displacement", "strain")


def strain_picture(strain: Strain, path: str | Path | None = None) -> Figure:
    """Draw sections of a strain through the crystal's middle, in nm, and write them if a path is given.

    Parameters
    ----------
    strain : Strain
        The strain.
    path : str or Path, optional
        The file; its suffix gives the format.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    InputError
        For a suffix that cannot be drawn, and for a place that cannot be written.
    """
    from .drawing.style import new_figure, picture_style

    with picture_style():
        figure = new_figure((14, 11))
        axes = figure.subplots(3, 4)
        for row, name in enumerate(SHOWN):
            _sections(axes[row, :3], strain, name)
        _histograms(axes[:, 3], strain)
        figure.suptitle(_headline(strain))
    if path is not None:
        write_figure(figure, path)
    return figure


def _sections(places: Any, strain: Strain, name: str) -> None:
    """Sections of a map across each axis, cut to the crystal."""
    values, inside = strain.maps[name], strain.support
    lines = [np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != k))) for k in range(3)]
    box = [slice(max(0, line[0] - 2), line[-1] + 3) for line in lines]
    top = float(np.nanquantile(np.abs(values[inside]), 0.98)) or 1.0
    low = 0.0 if name == "amplitude" else -top
    for k, axes in enumerate(places):
        cut: list[Any] = list(box)
        cut[k] = int(np.argmax(inside.sum(axis=tuple(a for a in range(3) if a != k))))
        rows, columns = (a for a in range(3) if a != k)
        edges = [(positions[part][0], positions[part][-1]) for positions, part in zip(strain.coordinates, box, strict=True)]
        shown = axes.imshow(
            values[tuple(cut)],
            origin="lower",
            extent=(*edges[columns], *edges[rows]),
            vmin=low,
            vmax=top,
            cmap="viridis" if name == "amplitude" else "RdBu_r",
        )
        axes.set(xlabel=f"{strain.axis_names[columns]} (nm)", ylabel=f"{strain.axis_names[rows]} (nm)")
        if k == 1:
            axes.set_title(name + (f" ({UNITS[name]})" if UNITS[name] else ""))
        if k == 2:
            axes.figure.colorbar(shown, ax=axes, shrink=0.8)


def _histograms(places: Any, strain: Strain) -> None:
    """The amplitude with the isosurface; the strain of bulk and surface; its spread."""
    counts, edges = strain.histogram
    places[0].stairs(counts, edges, fill=True, alpha=0.6)
    places[0].axvline(strain.threshold, color="k", linestyle="--")
    places[0].set(title="voxels by amplitude; dashed: isosurface", xlabel="amplitude")
    values = strain.maps["strain"]
    reach = float(np.nanquantile(np.abs(values[strain.support]), 0.99)) or 1.0
    for name, region in (("bulk", strain.bulk), ("surface", strain.surface)):
        places[1].hist(values[region], np.linspace(-reach, reach, 80), density=True, histtype="step", label=name)
    places[1].legend()
    places[1].set(title="strain", xlabel="strain", yticks=[])
    if "strain" in strain.spread:
        places[2].hist(strain.spread["strain"][strain.bulk], np.linspace(0, reach, 80))
        places[2].set(title=f"spread of the strain over {strain.members} {strain.kind}", xlabel="strain", yticks=[])
    else:
        places[2].axis("off")


def _headline(strain: Strain) -> str:
    figure = strain.table["bulk"]["strain_rms"]
    spread = "" if figure["spread"] is None else f" ± {figure['spread']:.1g}"
    size = " × ".join(f"{length:.0f}" for length in strain.facts["size_nm"])
    return f"crystal of {size} nm · strain in the bulk {figure['value']:.2e} rms{spread} · voxel {strain.voxel_nm:.3g} nm"
