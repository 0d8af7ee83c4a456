"""The page of an analysis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...evaluate.analyze import Analysis
from ...evaluate.ensemble import upper
from ...evaluate.resolution import threshold_of
from .charts import frequency_chart, histogram_chart, swatch
from .html import NONE, Cell, Column, Html, code, number, table, tag
from .images import ColourScale, Panel, grid
from .of_result import tile
from .starts import modes_view

PAGE_PAIRS = {
    "amplitude": "Pearson correlation of the amplitudes",
    "phase": "|mean of exp(i(φ₁ − φ₂))|",
    "diffraction": "Pearson correlation of the calculated amplitudes",
}


def analysis_page(analysis: Analysis) -> str:
    """The HTML of an analysis."""
    from .html import document

    sections: dict[str, list[Any]] = {
        "In short": [tag("dl", *_tiles(analysis), class_="tiles")],
        "Likeness of pairs": [_pairs(analysis), _between(analysis)],
        "Diffraction errors": [_errors(analysis)],
        "Solutions": [_clusters(analysis), _matrix(analysis)],
        "Spread and modes": modes_view(analysis.modes, analysis.meta, "arb. units", analysis.kind),
        "Resolution": _resolution(analysis),
        "How this was made": _made(analysis),
    }
    return document("What the ensemble says", _lead(analysis), sections)


def _lead(analysis: Analysis) -> str:
    shape = " × ".join(map(str, analysis.members.shape[1:]))
    files = "one file" if len(analysis.names) == 1 else f"{len(analysis.names)} files"
    out = f", {analysis.left_out} failed and left out" * bool(analysis.left_out)
    return f"{len(analysis.members)} {analysis.kind} of {files}, {shape}{out}."


def _tiles(analysis: Analysis) -> list[Html]:
    largest, n = len(analysis.clusters[0].members), len(analysis.members)
    made = [tile("Largest group", f"{largest} of {n}", analysis.verdict)]
    for name, matrix in analysis.pairs.items():
        values = upper(matrix)
        made.append(
            tile(f"Likeness, {name}", number(float(np.median(values))), f"median of {values.size} pairs; {PAGE_PAIRS[name]}")
        )
    error = analysis.errors["chi2_diffraction"]
    made.append(tile("Diffraction error", number(float(np.median(error))), "median; Σ(u − v)²/Σu² of the normalised amplitudes"))
    amplitude, phase = analysis.modes.amplitude, analysis.modes.phase
    made.append(
        tile("Amplitude modes", f"{amplitude.explained:.1%}", f"of the energy in {len(amplitude.modes)}; {_shares(amplitude)}")
    )
    made.append(tile("First phase mode", f"{phase.fractions[0]:.1%}", "of the variance, by circular SVD"))
    for one in analysis.curves:
        read = one.resolution
        value = NONE if read.half_period is None else f"{read.half_period:.2f} px"
        value += "" if read.half_period_nm is None else f", {read.half_period_nm:.3g} nm"
        made.append(tile(f"Half period by {one.curve.name}", value, f"{read.how}; {one.of}"))
    return made


def _shares(modes: Any) -> str:
    return ", ".join(f"mode {k + 1} {share:.1%}" for k, share in enumerate(modes.fractions))


def _pairs(analysis: Analysis) -> Html:
    made = [
        histogram_chart(upper(matrix), name.capitalize(), f"histogram of the {name} correlation of pairs", PAGE_PAIRS[name], k)
        for k, (name, matrix) in enumerate(analysis.pairs.items())
    ]
    return tag("div", *made, class_="charts small")


def _between(analysis: Analysis) -> Html | None:
    """Mean likeness within each file and between files; None with one file."""
    if len(analysis.names) < 2:
        return None
    means = {name: analysis.between(name) for name in analysis.pairs}
    files = range(len(analysis.names))
    rows = [
        [analysis.names[a], analysis.names[b], *(Cell(number(float(m[a, b]), 4), float(m[a, b])) for m in means.values())]
        for a in files
        for b in files
        if b >= a
    ]
    columns = [Column("file"), Column("against"), *(Column(name, f"mean over pairs: {PAGE_PAIRS[name]}") for name in means)]
    return table(columns, rows, "Likeness within and between files", id="between-table")


def _errors(analysis: Analysis) -> Html:
    words = {
        "chi2_diffraction": "Σ(u − v)²/Σu², both relative to their maximum",
        "r": "R = Σ(√P − √I)²/ΣI",
        "diffraction_correlation": "Pearson correlation with the measured amplitude",
    }
    made = [
        histogram_chart(values, words[name].partition(",")[0], f"histogram of {name}", words[name], k, "on the measured pixels")
        for k, (name, values) in enumerate(analysis.errors.items())
    ]
    return tag("div", *made, class_="charts small")


def _clusters(analysis: Analysis) -> Html:
    columns = [
        Column("group"),
        Column("members"),
        Column("share"),
        Column("agreement", "mean correlation of all its pairs"),
        Column("best R"),
        Column("best R_free"),
        Column("files"),
    ]
    rows: list[list[Any]] = []
    for k, cluster in enumerate(analysis.clusters):
        scores = [analysis.scores[i] for i in cluster.members]
        free = [score.r_free for score in scores if score.r_free is not None]
        share = len(cluster.members) / len(analysis.members)
        files = sorted({analysis.names[analysis.groups[i]] for i in cluster.members})
        rows.append(
            [
                k + 1,
                len(cluster.members),
                Cell(f"{share:.1%}", share),
                cluster.agreement,
                min(score.r for score in scores),
                min(free) if free else None,
                ", ".join(files),
            ]
        )
    return table(columns, rows, "Groups of members that agree", id="clusters-table")


def _matrix(analysis: Analysis) -> Html:
    order = np.concatenate([cluster.members for cluster in analysis.clusters])
    scale = ColourScale("viridis", 0.0, 1.0, "complex correlation")
    panel = Panel("Correlation of each pair, by group", analysis.matrix[np.ix_(order, order)], scale, "correlation of each pair")
    return tag("div", grid({"": [panel]}), class_="matrix")


def _resolution(analysis: Analysis) -> list[Html]:
    if not analysis.curves:
        return []
    legend = [
        tag("li", swatch(k, marker=False), f"{one.curve.name}, {one.of}; dashed: {one.resolution.criterion}")
        for k, one in enumerate(analysis.curves)
    ]
    curves = [(one.curve.frequency, one.curve.value, threshold_of(one.curve)) for one in analysis.curves]
    return [
        tag("ul", *legend, class_="legend"),
        frequency_chart(curves, "Agreement over spatial frequency", "PRTF and FRC over spatial frequency"),
    ]


def _made(analysis: Analysis) -> list[Html]:
    said = f"Groups are of members that correlate by {analysis.threshold:.3g} or more on average, once aligned."
    return [
        tag("p", said),
        tag("p", "Files: ", ", ".join(analysis.names)),
        tag("details", tag("summary", "What is known of the measurement"), code(dict(analysis.meta))),
    ]
