"""Figure 6: phase retrieval in three dimensions."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..evaluate.comparison import Picture
from ..evaluate.store import Store
from ..numerics.grids import crop_to
from ..report.drawing.images import draw_grid
from ..report.drawing.style import new_figure, picture_style
from ..report.object_panels import ObjectScales, amplitude_and_phase, error_panels, object_grid
from ..report.panels import ColourScale, ImageGrid, ImagePanel, ImageRow
from ..report.pattern_panels import detector_grid
from ..solvers import HIO
from .base import Effort, Line, Reproduction
from .gallery import OURS
from .simulated import Entry, compared, median, ours, record_of

VOLUME_SET = "domains3d-fits"


def fig6(effort: Effort, store: Store | None = None) -> Reproduction:
    """HIO and diffusion on ellipsoids of 50 blobs, 32³, without noise and with σ = 0.05."""
    starts = min(effort.starts, 4)
    shorter = effort._replace(search=min(effort.search, 300), evaluations=min(effort.evaluations or 100, 100))
    entries = {"hio": Entry(HIO(iterations=500), starts), OURS: Entry(ours(shorter), starts)}
    whole = compared(entries, (VOLUME_SET,), [0.0, 0.05], effort.volumes, effort.workers, store)
    lines = []
    for level in (0.0, 0.05):
        for label in whole.solvers:
            key = "volume" if label == OURS and level == 0 else None
            for metric in ("amplitude_correlation", "phase_similarity", "complex_correlation"):
                what = f"median {metric.replace('_', ' ')}, {label}, σ = {level:g}"
                lines.append(Line(what, median(whole, VOLUME_SET, level, label, metric), key))
    how = f"{effort.volumes} objects of {VOLUME_SET}, test seed, support known, best of up to {starts} starts by R_free"
    shown = next(p for p in whole.pictures if p.row.solver == OURS and p.row.noise == 0.0)
    return Reproduction(how, lines, _figure6(shown), record_of(whole))


def _figure6(shown: Picture) -> Figure:
    """The pattern, truth and estimate, and their differences, by sections through the middle."""
    assert shown.truth is not None
    crop, top = crop_to(shown.truth, None), float(np.abs(shown.truth).max())
    origin = [n // 2 - cut.start for n, cut in zip(shown.truth.shape, crop, strict=True)]
    grid = object_grid(origin, {})
    x, truth = shown.estimate[crop] / top, shown.truth[crop] / top
    scales = ObjectScales(
        ColourScale("viridis", 0.0, 1.0, "amplitude"),
        ColourScale("twilight", -np.pi, np.pi, "phase (rad)"),
        ColourScale("inferno", 0.0, 0.2, "|difference|"),
        ColourScale("inferno", 0.0, 0.5, "|difference| (rad)"),
    )
    intensity = ColourScale("magma", 1e-4, 1.0, "amplitude", log=True)
    pattern = ImagePanel("pattern", shown.amplitude / shown.amplitude.max(), intensity, detector_grid(shown.amplitude.shape))
    known, found = (amplitude_and_phase(a, scales, grid, "") for a in (truth, x))
    wrong = error_panels(x, truth, scales, grid, "")
    names = ("pattern", "amplitude,\ntruth", "amplitude", "difference", "phase,\ntruth", "phase", "difference")
    panels = [pattern, known[0], found[0], wrong[0], known[1], found[1], wrong[1]]
    rows = [ImageRow(panel.sections(), name) for panel, name in zip(panels, names, strict=True)]
    with picture_style():
        figure = new_figure((6.5, 12.5))
        draw_grid(figure, ImageGrid(rows), ticks=False)
    return figure
