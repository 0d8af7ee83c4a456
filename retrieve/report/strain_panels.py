"""The panels of a strain, and the content of its page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..strain.record import UNITS, Strain
from .numbers import NONE, number, power_of_ten
from .panels import ChartCurve, ColourScale, CurvePanel, ImageGrid, ImagePanel, ImageRow, Outline, PixelGrid
from .surface import (
    LABORATORY,
    NEEDED,
    SurfaceColour,
    SurfacePanel,
    at_vertices,
    averaged_words,
    can_draw_surfaces,
    isosurface,
    placed_surface,
)
from .tables import Column, TablePanel, percent

SHOWN = ("amplitude", "phase", "displacement", "strain")
OTHERS = ("tilt_1", "tilt_2")
SURFACE = ("strain", "displacement", "phase")
MARGIN = 2  # voxels around the crystal
INSIDE = 0.98  # share of a map's values that its scale spans
BINS = 80
LEAST_EXPONENT = -1  # of a value that is told without a power of ten
LEAST_SPREAD = 0.001  # that is told in the unit of its value's last power of ten
WORDS = {"deg": "°", "angstrom": "Å"}


def strain_page(strain: Strain) -> dict[str, Any]:
    """The content of `strain.html`."""
    others = (*OTHERS, "lattice" if "lattice" in strain.maps else "d_spacing")
    source = strain.meta.get("title") or PurePath(str(strain.meta.get("source") or "")).name
    return {
        "strain": strain,
        "title": f"Strain of {source}" if source else "Strain",
        "figures": tiles(strain),
        "solid": strain_surface(strain) if can_draw_surfaces() else None,
        "lacking": "" if can_draw_surfaces() else NEEDED,
        "maps": maps_grid(strain),
        "others": ImageGrid([ImageRow([panel for name in others if (panel := map_panel(strain, name))])], _where(strain)),
        "charts": strain_charts(strain),
        "table": figures_table(strain),
        "facets": facets_table(strain) if strain.facets else None,
        "facts": {name.replace("_", " "): _fact(value) for name, value in strain.facts.items() if value is not None},
    }


def _fact(value: Any) -> str:
    """Numbers in five digits."""
    if isinstance(value, (int, float)):
        return number(value, 5)
    return " × ".join(map(_fact, value)) if isinstance(value, (list, tuple, np.ndarray)) else str(value)


def said(figure: Mapping[str, float | None], unit: str = "") -> str:
    """A value ± its spread over objects, a small one as a multiple of a power of ten."""
    value, spread = figure["value"], figure["spread"]
    if value is None:
        return NONE
    exponent = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    exponent = exponent if exponent < LEAST_EXPONENT else 0
    told = number(value / 10.0**exponent)
    if spread is not None:
        least = spread / 10.0**exponent
        told += f" ± {number(least, 2)}" if not 0 < least < LEAST_SPREAD else f" ± less than {LEAST_SPREAD:g}"
    if exponent:
        told = (f"({told})" if spread is not None else told) + f" × {power_of_ten(exponent)}"
    return f"{told} {unit}".rstrip()


def tiles(strain: Strain) -> list[tuple[str, str, str]]:
    """Name, value and meaning of the figures that a reader asks for first."""
    bulk, surface, facts = strain.table.get("bulk", {}), strain.table.get("surface", {}), strain.facts
    over = f", ± over {strain.members} {strain.kind}" if strain.members > 1 else ""
    found = []
    if "strain_rms" in bulk:
        found.append(("Rms strain in the bulk", said(bulk["strain_rms"]), f"along Q{over}"))
    if "strain_mean" in surface:
        found.append(("Mean strain at the surface", said(surface["strain_mean"]), "that of the bulk is zero by choice"))
    if "displacement_rms_nm" in bulk:
        found.append(("Rms displacement", said(bulk["displacement_rms_nm"], "nm"), "in the bulk, along Q"))
    for name, title in (("lattice_mean_angstrom", "Lattice parameter"), ("d_spacing_mean_angstrom", "Spacing of planes")):
        if name in bulk:
            found.append((title, f"{bulk[name]['value']:.5g} Å", "mean of the bulk"))
    if "size_nm" in facts:
        size = " × ".join(f"{length:.0f}" for length in facts["size_nm"])
        found.append(("Size", f"{size} nm", f"along {', '.join(strain.axis_names)}".replace("_", " ")))
    found.append(("Voxel", f"{number(strain.voxel_nm)} nm", "edge of the cubes of the maps"))
    found.append(("|Q|", f"{np.linalg.norm(strain.q) / 10:.4g} Å⁻¹", _reflection(strain)))
    return found


def _reflection(strain: Strain) -> str:
    return "the reflection is not known" if strain.hkl is None else "reflection " + " ".join(f"{h:g}" for h in strain.hkl)


# maps ----------------------------------------------------------------------------------------------


def upright(strain: Strain, values: NDArray) -> NDArray:
    """A map in the box of its crystal, third axis first, so that images show the first axis to the right and others up."""
    return values[_box(strain)].transpose(2, 1, 0)


def _box(strain: Strain) -> tuple[slice, ...]:
    lines = [np.flatnonzero(strain.support.any(axis=tuple(a for a in range(3) if a != k))) for k in range(3)]
    return tuple(slice(max(0, int(line[0]) - MARGIN), int(line[-1]) + MARGIN + 1) for line in lines)


def strain_grid(strain: Strain) -> PixelGrid:
    """The grid of maps that are `upright`."""
    origin = [
        min(max(n // 2 - cut.start, 0), cut.stop - cut.start - 1) for n, cut in zip(strain.shape, _box(strain), strict=True)
    ]
    names = tuple(name.replace("_", " ") for name in strain.axis_names[::-1])
    return PixelGrid(names, tuple(origin[::-1]), (strain.voxel_nm,) * 3, "nm", up=True)


def scale_of(strain: Strain, name: str) -> ColourScale:
    """The colours of a map: from zero, around zero, or, of a length, over its range."""
    values = strain.maps[name][strain.support]
    values, unit = values[np.isfinite(values)], WORDS.get(UNITS[name], UNITS[name])
    label = f"{name.replace('_', ' ')} ({unit})" if unit else name.replace("_", " ")
    if name == "amplitude":
        return ColourScale("viridis", 0.0, float(values.max()), label)
    if name in ("d_spacing", "lattice"):
        low, high = (float(v) for v in np.quantile(values, (1 - INSIDE, INSIDE))) if values.size else (0.0, 1.0)
        return ColourScale("cividis", low, high if high > low else low + 1, label)
    limit = float(np.quantile(np.abs(values), INSIDE)) if values.size else 1.0
    return ColourScale("coolwarm", -(limit or 1.0), limit or 1.0, label)


def map_panel(strain: Strain, name: str, light: bool = False) -> ImagePanel | None:
    """A map, cut through the crystal's middle; None if the strain lacks it.  light: with the isosurface's outline."""
    if name not in strain.maps:
        return None
    outlines = (Outline(upright(strain, strain.support), "white"),) if light else ()
    values, title = upright(strain, strain.maps[name]), name.replace("_", " ")
    return ImagePanel(title, values, scale_of(strain, name), strain_grid(strain), title, outlines, bar=True)


def spread_map(strain: Strain, name: str) -> ImagePanel | None:
    """The spread of a map over several objects; None if there is none."""
    if name not in strain.spread:
        return None
    values = np.where(strain.support, strain.spread[name], np.nan)
    inside = values[np.isfinite(values)]
    unit, title = WORDS.get(UNITS[name], UNITS[name]), f"spread of {name.replace('_', ' ')}"
    top = float(np.quantile(inside, INSIDE)) if inside.size else 0.0
    scale = ColourScale("magma", 0.0, top or 1.0, f"{title} ({unit})" if unit else title)
    return ImagePanel(title, upright(strain, values), scale, strain_grid(strain), title, bar=True)


def maps_grid(strain: Strain) -> ImageGrid:
    """The maps and, below each, its spread."""
    maps = ImageRow([map_panel(strain, name, light=name == "amplitude") for name in SHOWN])
    spreads = ImageRow([spread_map(strain, name) for name in SHOWN], f"Over {strain.members} {strain.kind}")
    return ImageGrid([maps, spreads] if any(spreads.panels) else [maps], _where(strain))


def _where(strain: Strain) -> str:
    where = LABORATORY if strain.frame == "laboratory" else "Axes of the crystal: the third is along Q."
    return f"{where} Positive strain is a larger spacing of the planes."


# the surface ---------------------------------------------------------------------------------------


def strain_surface(strain: Strain) -> SurfacePanel | None:
    """The isosurface in the colours of strain, displacement and phase."""
    amplitude = np.where(strain.support, strain.maps["amplitude"], np.minimum(strain.maps["amplitude"], strain.threshold))
    found = isosurface(amplitude, strain.threshold)
    if found is None:
        return None
    vertices, faces, step = found
    colours = []
    for name in SURFACE:
        values = at_vertices(strain.maps[name], strain.maps["amplitude"], vertices)
        colours.append(SurfaceColour(name, values, scale_of(strain, name)))
    if "strain" in strain.spread and (panel := spread_map(strain, "strain")) is not None:
        values = at_vertices(np.where(strain.support, strain.spread["strain"], np.nan), strain.maps["amplitude"], vertices)
        colours.append(SurfaceColour("spread of strain", values, panel.scale))
    made, faces = placed_surface((vertices, faces), [n // 2 for n in strain.shape], np.eye(3) * strain.voxel_nm)
    first, second, third = (name.replace("_", " ") for name in strain.axis_names)
    where = _where(strain).partition(". ")[0]
    note = f"Isosurface at amplitude {number(strain.threshold)}. {averaged_words(step)}{where}."
    return SurfacePanel(
        made, faces, colours, (first, second, third), "nm", note, "isosurface of the crystal, coloured by its strain"
    )


# charts and tables ---------------------------------------------------------------------------------


def strain_charts(strain: Strain) -> list[CurvePanel]:
    """The amplitude with the isosurface; the strain of surface and bulk; its spread."""
    counts, edges = strain.histogram
    charts = [
        CurvePanel(
            "Voxels by amplitude",
            [
                _stairs(0, counts, edges, "voxels in the support of phasing"),
                ChartCurve(1, [strain.threshold] * 2, [0, float(counts.max(initial=1))], "isosurface", dashed=True),
            ],
            "amplitude",
            "voxels",
            "histogram of the amplitude, with the isosurface",
        )
    ]
    scale = scale_of(strain, "strain")
    bins = np.linspace(1.5 * scale.low, 1.5 * scale.high, BINS + 1)
    regions = (("bulk", strain.bulk), ("surface", strain.surface))
    charts.append(_shares("Strain", {name: strain.maps["strain"][region] for name, region in regions}, bins))
    if (panel := spread_map(strain, "strain")) is not None:
        bins = np.linspace(0, 1.5 * panel.scale.high, BINS + 1)
        title = f"Spread of strain over {strain.members} {strain.kind}"
        charts.append(_shares(title, {name: strain.spread["strain"][region] for name, region in regions}, bins))
    return charts


def _shares(title: str, values: dict[str, NDArray], bins: NDArray) -> CurvePanel:
    """The share of the voxels of each region in each bin."""
    curves = []
    for k, (name, one) in enumerate(values.items()):
        known = one[np.isfinite(one)]
        shares = np.histogram(known, bins)[0] / max(1, known.size)
        curves.append(_stairs(k, shares, bins, f"{name}, {number(known.size)} voxels", dashed=k > 0))
    return CurvePanel(title, curves, "strain", "share of the voxels", f"{title.lower()} of bulk and surface")


def _stairs(series: int, heights: NDArray, edges: NDArray, label: str, dashed: bool = False) -> ChartCurve:
    """A histogram as a line of steps."""
    return ChartCurve(series, np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), label, dashed)


def figures_table(strain: Strain) -> TablePanel:
    """A line a figure, a column a region and its spread."""
    names = list(dict.fromkeys(name for figures in strain.table.values() for name in figures))
    columns = [Column("figure", [name.replace("_", " ") for name in names])]
    for region, figures in strain.table.items():
        own = [figures.get(name, {"value": None, "spread": None}) for name in names]
        columns.append(Column(region, [figure["value"] for figure in own], show=lambda v: number(v, 5)))
        if strain.members > 1:
            columns.append(Column("±", [figure["spread"] for figure in own], "standard deviation over objects", show=_short))
    return TablePanel("figures-table", "Figures of bulk and surface", columns)


def _short(value: float) -> str:
    return number(value, 2)


def facets_table(strain: Strain) -> TablePanel:
    """A line a facet, the largest first."""
    facets = strain.facets
    columns = [
        Column("facet", range(1, len(facets) + 1)),
        Column(
            "index", [NONE if f.hkl is None else " ".join(map(str, f.hkl)).replace("-", "−") for f in facets], "nearest low index"
        ),
        Column("off (°)", [f.off_deg for f in facets], "angle between the normal and the index"),
        Column("area (nm²)", [f.area_nm2 for f in facets]),
        Column("share", [f.share for f in facets], "of the whole surface", show=lambda v: percent(v, 1)),
        Column("flatness (nm)", [f.rms_nm for f in facets], "root mean square distance from its plane"),
        Column("strain", [f.strain for f in facets], "mean in the surface voxels nearest to it"),
    ]
    return TablePanel("facets-table", "Facets", columns)
