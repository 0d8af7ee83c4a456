"""Figure 6: phase retrieval in three dimensions."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..evaluate.comparison import Picture
from ..evaluate.metrics import truth_mask
from ..evaluate.store import Store
from ..solvers import HIO
from .base import Effort, Line, Reproduction
from .gallery import DPI, OURS, STYLE
from .simulated import Entry, compared, median, ours, told_of

VOLUME_SET = "domains3d-fits"


def fig6(effort: Effort, store: Store | None = None) -> Reproduction:
    """HIO and diffusion on ellipsoids of 50 blobs, 32³, without noise and with σ = 0.05."""
    starts = min(effort.starts, 4)
    shorter = effort._replace(search=min(effort.search, 300), evaluations=min(effort.evaluations, 100))
    entries = {"hio": Entry(HIO(iterations=500), starts), OURS: Entry(ours(shorter), starts)}
    whole = compared(entries, (VOLUME_SET,), [0.0, 0.05], effort.volumes, effort.workers, store)
    lines = []
    for level in (0.0, 0.05):
        for label in whole.solvers:
            key = "volume" if label == OURS and level == 0 else None
            for metric in ("amplitude_correlation", "phase_similarity", "complex_correlation"):
                what = f"median {metric.replace('_', ' ')}, {label}, σ = {level:g}"
                lines.append(Line(what, median(whole, VOLUME_SET, level, label, metric), key))
    how = f"{effort.volumes} objects of {VOLUME_SET}, test seed, support known, best of up to {starts} starts by the free score"
    shown = next(p for p in whole.pictures if p.row.solver == OURS and p.row.noise == 0.0)
    with matplotlib.rc_context(STYLE):
        return Reproduction(how, lines, _figure6(shown), told_of(whole))


def _figure6(shown: Picture) -> Figure:
    """The pattern, amplitude and phase of truth and estimate, and their differences, at the middle of each axis."""
    truth, x = shown.truth, shown.estimate
    assert truth is not None
    inside, top = truth_mask(truth), float(np.abs(truth).max())
    y = np.log10(np.maximum(shown.amplitude / shown.amplitude.max(), 1e-4))
    rows = {
        "pattern": (y, "magma", -4, 0),
        "amplitude, truth": (np.abs(truth) / top, "viridis", 0, 1),
        "amplitude": (np.abs(x) / top, "viridis", 0, 1),
        "|difference|": (np.abs(np.abs(x) - np.abs(truth)) / top, "inferno", 0, 0.2),
        "phase, truth": (np.where(inside, np.angle(truth), np.nan), "twilight", -np.pi, np.pi),
        "phase": (np.where(inside, np.angle(x), np.nan), "twilight", -np.pi, np.pi),
        "|difference| ": (np.where(inside, np.abs(np.angle(x * truth.conj())), np.nan), "inferno", 0, 0.5),
    }
    figure = Figure(figsize=(5.4, 11.5), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), 3)
    for line, (name, (values, cmap, low, high)) in zip(grid, rows.items(), strict=True):
        for axis, axes in enumerate(line):
            image = axes.imshow(np.take(values, values.shape[axis] // 2, axis), cmap=cmap, vmin=low, vmax=high)
            axes.set_xticks([])
            axes.set_yticks([])
            if line is grid[0]:
                axes.set_title(f"middle of axis {axis}", fontsize=9)
        line[0].set_ylabel(name, fontsize=9)
        figure.colorbar(image, ax=list(line), shrink=0.8)
    return figure
