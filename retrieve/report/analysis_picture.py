"""An analysis as a picture: the panels of Figure 5 of Lee et al. 2026, with clusters and resolution beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.analyze import Analysis
from ..evaluate.ensemble import upper
from ..evaluate.modes import Modes
from ..evaluate.resolution import threshold_of
from .figure import write_figure
from .result_picture import phase_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUP_COLOURS = {"amplitude": "tab:blue", "phase": "tab:orange", "diffraction": "tab:green"}


def analysis_picture(analysis: Analysis, path: str | Path | None = None) -> Figure:
    """Draw an analysis and, with a path, write it there: PNG, or what the suffix says.

    a: histograms of the pairwise correlations.  b: diffraction errors.  c: NMF of the amplitude.  d: circular SVD of
    the phase, both with mean and spread, in 3D a cut through the middle.  e: correlation of each pair, sorted by
    cluster.  f: PRTF and FRC.  Raises InputError for a suffix that cannot be drawn.
    """
    from matplotlib.figure import Figure

    k = len(analysis.modes.amplitude.modes)
    figure = Figure(figsize=(max(12.5, 3.3 * (k + 2)), 13), dpi=100, layout="constrained")
    figure.suptitle(f"{len(analysis.members)} {analysis.kind}: {analysis.verdict}", fontsize=12)
    rows = figure.subfigures(4, 1, squeeze=False, height_ratios=(1, 1, 1, 1.15))[:, 0]
    names = list(analysis.pairs)
    top = rows[0].subplots(1, len(names) + 1)
    for axes, name in zip(top, names, strict=False):
        _histogram(axes, upper(analysis.pairs[name]), f"a  {name}", "correlation of pairs", GROUP_COLOURS[name])
    _histogram(top[-1], analysis.errors["chi2_diffraction"], "b  diffraction error", "Σ(u − v)²/Σu²", "0.4")
    _draw_amplitude(rows[1].subplots(1, k + 2), analysis)
    _draw_phase(rows[2].subplots(1, k + 2), analysis)
    left, right = rows[3].subplots(1, 2, width_ratios=(1, 1.7))
    _draw_matrix(left, analysis)
    _draw_curves(right, analysis)
    if path is not None:
        write_figure(figure, path)
    return figure


def _histogram(axes: Axes, values: NDArray[np.float64], title: str, xlabel: str, colour: str) -> None:
    axes.hist(values, bins=min(20, max(5, int(np.sqrt(values.size)))), color=colour, alpha=0.8)
    axes.axvline(np.median(values), color="0.2", lw=1, ls="--")
    axes.set_title(f"{title}: median {np.median(values):.3g}", fontsize=10)
    axes.set_xlabel(xlabel, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", nbins=4)


def _draw_amplitude(row: Any, analysis: Analysis) -> None:
    modes, found = analysis.modes.amplitude, analysis.modes
    top = float(modes.mean.max()) or 1.0
    _show(row[0], modes.mean, analysis, "c  mean amplitude", {"cmap": "viridis", "vmin": 0, "vmax": top})
    for axes, mode, title in zip(row[1:-1], modes.modes, _titles(modes, "of the energy"), strict=True):
        _show(axes, mode / (float(mode.max()) or 1.0), analysis, title, {"cmap": "viridis", "vmin": 0, "vmax": 1})
    _show(row[-1], found.spread, analysis, "spread (std)", {"cmap": "magma", "vmin": 0, "vmax": float(found.spread.max()) or 1.0})


def _draw_phase(row: Any, analysis: Analysis) -> None:
    modes, found = analysis.modes.phase, analysis.modes
    _show(row[0], modes.mean, analysis, "d  mean phase (rad)", phase_scale(modes.mean))
    for axes, mode, title in zip(row[1:-1], modes.modes, _titles(modes, "of the variance"), strict=True):
        _show(axes, mode, analysis, title, phase_scale(mode))
    top = max(float(np.nanquantile(found.phase_spread, 0.98)), 0.01)
    _show(row[-1], found.phase_spread, analysis, "spread, 1 − |mean exp(iφ)|", {"cmap": "magma", "vmin": 0, "vmax": top})


def _titles(modes: Modes, of: str) -> list[str]:
    return [f"mode {k + 1}, {share:.1%} {of}" for k, share in enumerate(modes.fractions)]


def _show(axes: Axes, values: NDArray, analysis: Analysis, title: str, scale: dict[str, Any]) -> None:
    origin = analysis.modes.origin
    cut = values if values.ndim == 2 else values[origin[0]]
    y, x = origin[-2:]
    extent = (-x - 0.5, cut.shape[1] - x - 0.5, cut.shape[0] - y - 0.5, -y - 0.5)
    image = axes.imshow(cut, extent=extent, interpolation="nearest", **scale)
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.figure.colorbar(image, ax=axes, shrink=0.85)


def _draw_matrix(axes: Axes, analysis: Analysis) -> None:
    order = np.concatenate([cluster.members for cluster in analysis.clusters])
    image = axes.imshow(analysis.matrix[np.ix_(order, order)], vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    for edge in np.cumsum([len(c.members) for c in analysis.clusters])[:-1]:
        axes.axhline(edge - 0.5, color="w", lw=0.8)
        axes.axvline(edge - 0.5, color="w", lw=0.8)
    axes.set_title("e  correlation of pairs, by cluster", fontsize=10)
    axes.set_xlabel(analysis.kind, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.figure.colorbar(image, ax=axes, shrink=0.85)


def _draw_curves(axes: Axes, analysis: Analysis) -> None:
    for one, colour in zip(analysis.curves, ("tab:blue", "tab:red"), strict=False):
        curve, half = one.curve, one.resolution.half_period
        read = "no resolution" if half is None else f"half period {half:.2f} px at {one.resolution.criterion}"
        axes.plot(curve.frequency, curve.value, color=colour, label=f"{curve.name}, {read}")
        axes.plot(curve.frequency, threshold_of(curve), color=colour, lw=0.8, ls="--")
    axes.set_title("f  " + "; ".join(f"{one.curve.name}: {one.of}" for one in analysis.curves), fontsize=10)
    axes.set(ylim=(-0.05, 1.1), xlabel="spatial frequency (1/px)")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=8)
