"""The figures of the bulk and of the surface, each with its spread over objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Figures = dict[str, dict[str, float]]
Table = dict[str, dict[str, dict[str, float | None]]]


def _mean(values: NDArray) -> float:
    return float(np.mean(values, dtype=float))


def _rms(values: NDArray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))


def _low(values: NDArray) -> float:
    return float(np.quantile(values, 0.05))


def _high(values: NDArray) -> float:
    return float(np.quantile(values, 0.95))


FIGURES: tuple[tuple[str, str, Callable[[NDArray], float]], ...] = (
    ("strain_mean", "strain", _mean),
    ("strain_rms", "strain", _rms),
    ("strain_5_percent", "strain", _low),
    ("strain_95_percent", "strain", _high),
    ("displacement_mean_nm", "displacement", _mean),
    ("displacement_rms_nm", "displacement", _rms),
    ("tilt_1_rms_deg", "tilt_1", _rms),
    ("tilt_2_rms_deg", "tilt_2", _rms),
    ("d_spacing_mean_angstrom", "d_spacing", _mean),
    ("lattice_mean_angstrom", "lattice", _mean),
)
"""Name of a figure, its map, and the function of the map's values in a region."""


def figures_of(maps: Mapping[str, NDArray], regions: Mapping[str, NDArray[np.bool_]]) -> Figures:
    """The figures of one object, by region and name. A voxel without a value does not count."""
    found: Figures = {}
    for region, mask in regions.items():
        values = {name: one[mask] for name, one in maps.items()}
        values = {name: one[np.isfinite(one)] for name, one in values.items()}
        found[region] = {name: of(values[source]) for name, source, of in FIGURES if source in values and values[source].size}
    return found


def table_of(own: Figures, others: Sequence[Figures]) -> Table:
    """Figures with their standard deviation over other objects, None with fewer than two of those."""

    def spread(region: str, name: str) -> float | None:
        values = [figures[region][name] for figures in others if name in figures[region]]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    return {
        region: {name: {"value": value, "spread": spread(region, name)} for name, value in figures.items()}
        for region, figures in own.items()
    }
