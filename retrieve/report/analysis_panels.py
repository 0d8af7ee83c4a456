"""The panels of an analysis, and the content of its page."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..evaluate.analyze import Analysis
from ..evaluate.ensemble import upper
from ..evaluate.resolution import threshold_of
from .numbers import number
from .object_panels import object_grid, voxel_edges
from .panels import ChartCurve, CurvePanel, HistogramPanel, ImageGrid, ImagePanel, matrix_panel
from .pattern_panels import amplitude_unit
from .starts_panels import modes_grid
from .tables import Column, TablePanel, percent

PAIR_FORMULAS = {
    "amplitude": "Pearson correlation of the amplitudes",
    "phase": "|mean of exp(i(φ₁ − φ₂))|",
    "diffraction": "Pearson correlation of the calculated amplitudes",
}
ERROR_FORMULAS = {
    "chi2_diffraction": ("diffraction error", "Σ(u − v)²/Σu² of the normalised amplitudes"),
    "r": ("R", "Σ(√P − √I)²/ΣI on the fitted pixels"),
    "diffraction_correlation": ("diffraction correlation", "Pearson correlation with the measured amplitude"),
}


def analysis_page(analysis: Analysis) -> dict[str, Any]:
    """The content of `analysis.html`."""
    return {
        "analysis": analysis,
        "shares": ", ".join(f"mode {k} {share:.1%}" for k, share in enumerate(analysis.modes.amplitude.fractions, start=1)),
        "likeness": pair_histograms(analysis),
        "errors": error_histograms(analysis),
        "between": _between_table(analysis),
        "clusters": _clusters_table(analysis),
        "matrix": pair_matrix(analysis),
        "modes": modes_of(analysis),
        "frequency": frequency_panel(analysis),
        "limits": [f"{one.resolution.how} ({one.of})." for one in analysis.curves],
    }


def pair_histograms(analysis: Analysis) -> list[HistogramPanel]:
    """How alike the pairs are, one histogram a quantity."""
    return [
        HistogramPanel(name, upper(matrix), PAIR_FORMULAS[name], k) for k, (name, matrix) in enumerate(analysis.pairs.items())
    ]


def error_histograms(analysis: Analysis) -> list[HistogramPanel]:
    """How well the members fit the data, one histogram a metric."""
    first = len(analysis.pairs)
    return [
        HistogramPanel(ERROR_FORMULAS[name][0], values, ERROR_FORMULAS[name][1], first + k)
        for k, (name, values) in enumerate(analysis.errors.items())
    ]


def pair_matrix(analysis: Analysis) -> ImagePanel:
    """The correlation of each pair, by group."""
    groups = [list(cluster.members) for cluster in analysis.clusters]
    return matrix_panel("correlation of each pair, by group", analysis.matrix, groups, analysis.kind)


def frequency_panel(analysis: Analysis) -> CurvePanel:
    """PRTF and FRC over spatial frequency, each with its threshold."""
    curves = []
    for k, one in enumerate(analysis.curves):
        curve, half = one.curve, one.resolution.half_period
        read = "no resolution" if half is None else f"half period {half:.2f} px"
        read += f", limit: {one.resolution.limit}" if one.resolution.limit else ""
        curves.append(ChartCurve(k, curve.frequency, curve.value, f"{curve.name} of {one.of}: {read}"))
        curves.append(ChartCurve(k, curve.frequency, threshold_of(curve), dashed=True, pale=True))
    title, note = "agreement over spatial frequency", "Dashed: the threshold. A curve ends where the data end."
    alt = "PRTF and FRC over spatial frequency"
    top = max([1.1, *(1.05 * float(np.nanmax(one.curve.value, initial=0)) for one in analysis.curves)])
    return CurvePanel(title, curves, "spatial frequency (1/px)", "", alt, note, limits=(-0.05, top), wide=True)


def modes_of(analysis: Analysis) -> ImageGrid:
    """Mean, modes and spread of the members."""
    edges = voxel_edges(analysis.meta, analysis.members.shape[1:])
    grid = object_grid(analysis.modes.origin, analysis.meta, edges)
    return modes_grid(analysis.modes, grid, amplitude_unit("counts" if analysis.counts else "arb. units"), analysis.kind)


def _between_table(analysis: Analysis) -> TablePanel:
    """Mean likeness within each file and between files."""
    pairs = [(a, b) for a in range(len(analysis.names)) for b in range(a, len(analysis.names))]
    columns = [Column("file", [analysis.names[a] for a, _ in pairs]), Column("against", [analysis.names[b] for _, b in pairs])]
    for name in analysis.pairs:
        means = analysis.between(name)
        hint = f"mean over pairs: {PAIR_FORMULAS[name]}"
        columns.append(Column(name, [float(means[pair]) for pair in pairs], hint, show=lambda v: number(v, 4)))
    return TablePanel("between-table", "Likeness within and between files", columns)


def _clusters_table(analysis: Analysis) -> TablePanel:
    """A line a group of members that agree."""
    clusters = analysis.clusters
    sizes = [len(cluster.members) for cluster in clusters]
    scores = [[analysis.scores[i] for i in cluster.members] for cluster in clusters]
    files = [sorted({analysis.names[analysis.groups[i]] for i in cluster.members}) for cluster in clusters]
    free = [[score.r_free for score in own if score.r_free is not None] for own in scores]
    columns = [
        Column("group", range(1, len(clusters) + 1)),
        Column("members", sizes),
        Column("share", [size / len(analysis.members) for size in sizes], show=lambda v: percent(v, 1)),
        Column("agreement", [cluster.agreement for cluster in clusters], "mean correlation of all its pairs"),
        Column("lowest R", [min(score.r for score in own) for own in scores]),
        Column("lowest R_free", [min(own, default=None) for own in free]),
        Column("files", [", ".join(own) for own in files]),
    ]
    return TablePanel("clusters-table", "Groups of members that agree", columns)
