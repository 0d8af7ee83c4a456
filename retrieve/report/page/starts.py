"""What the starts of a result have in common and in what they differ: a table, distributions, modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...evaluate.ensemble import Cluster, agreement_matrix, clusters_of, pairwise, upper
from ...evaluate.modes import Modes, SharedModes
from ...io.result import Result
from ...numerics.alignment import shift_to_centre
from ...numerics.stacks import align_all
from ...problem.scoring import Score
from .charts import distribution_chart
from .html import NONE, Cell, Column, Html, number, table, tag
from .images import ColourScale, Panel, grid, viewer
from .objects import look_of, phase_scale_of, voxel_of


class Agreement(NamedTuple):
    """What usable starts have in common.

    starts: (n,), their numbers.  aligned: (n, *shape), brought onto the chosen one, their centre of mass at N//2.
    matrix: (n, n), complex correlation of each pair.  clusters: of indices into `starts`.
    """

    starts: NDArray[np.intp]
    aligned: NDArray[np.complexfloating]
    matrix: NDArray[np.float64]
    clusters: tuple[Cluster, ...]

    @property
    def median(self) -> float:
        """Median correlation of the pairs."""
        return float(np.median(upper(self.matrix)))


def agreement_of(result: Result) -> Agreement | None:
    """What the usable starts have in common; None with fewer than two."""
    finite = np.isfinite(result.estimates).all(axis=tuple(range(1, result.estimates.ndim)))
    usable = finite & np.array([score.failure is None for score in result.scores])
    starts = np.flatnonzero(usable)
    if len(starts) < 2 or not result.estimates[usable].any():
        return None
    reference = result.chosen if usable[result.chosen] else int(starts[0])
    aligned = align_all(result.estimates[starts], int(np.searchsorted(starts, reference)))
    roll = shift_to_centre(result.estimates[reference])
    aligned = np.roll(aligned, roll, axis=range(1, aligned.ndim))
    matrix = agreement_matrix(aligned)
    return Agreement(starts, aligned, matrix, clusters_of(matrix))


def ratio_of(score: Score) -> float | None:
    """Free over working misfit."""
    return None if score.r_free is None or not score.r > 0 else score.r_free / score.r


def starts_table(result: Result, agreement: Agreement | None) -> Html | None:
    """A line a start; None with one."""
    if len(result.scores) < 2:
        return None
    place = {} if agreement is None else {int(start): k for k, start in enumerate(agreement.starts)}
    groups = {} if agreement is None else {int(k): g + 1 for g, c in enumerate(agreement.clusters) for k in c.members}
    columns = [
        Column("start"),
        Column("R", "misfit on the fitted pixels"),
        Column("R_free", "misfit on the held-out pixels"),
        Column("free / fitted", "near 1 is healthy"),
        Column("support", "share of the array"),
        Column("agreement", "complex correlation with the chosen start, after alignment"),
        Column("group", "starts of one group correlate by 0.9 or more on average; 1 is the largest group"),
        Column("remark"),
    ]
    rows: list[list[Any]] = []
    for k, score in enumerate(result.scores):
        share = None if result.supports is None else float(np.mean(result.supports[k]))
        same = None
        if agreement is not None and k in place and result.chosen in place:
            same = float(agreement.matrix[place[result.chosen], place[k]])
        chosen = k == result.chosen and result.averaged is None
        remark: Any = score.failure or (tag("span", "chosen", class_="chosen") if chosen else "")
        rows.append(
            [
                k,
                score.r,
                score.r_free,
                ratio_of(score),
                Cell(NONE if share is None else f"{share:.2%}", share),
                Cell(number(same, 4), same),
                groups.get(place.get(k, -1)),
                Cell(remark, score.failure or "chosen" * chosen),
            ]
        )
    return table(columns, rows, "Starts", id="starts-table")


def starts_charts(result: Result, agreement: Agreement | None) -> Html | None:
    """Distributions of the misfit and of the likeness of pairs; None with fewer than two usable starts."""
    if agreement is None:
        return None
    alike = pairwise(agreement.aligned, result.problem)
    pairs = [upper(matrix) for matrix in alike.values()]
    scores = {
        "R": [score.r for score in result.scores],
        "R_free": [math.nan if score.r_free is None else score.r_free for score in result.scores],
    }
    scores = {name: values for name, values in scores.items() if np.isfinite(values).any()}
    scale = ColourScale("viridis", 0.0, 1.0, "complex correlation")
    matrix = Panel("Correlation of each pair", agreement.matrix, scale, "correlation of each pair of starts")
    made = [
        distribution_chart(
            list(scores), {0: [np.array(v) for v in scores.values()]}, "Misfit", "distribution of R over the starts", xlabel=None
        ),
        distribution_chart(
            list(alike), {0: pairs}, "Likeness of pairs", "distribution of the correlations between pairs of starts", xlabel=None
        ),
        tag("div", grid({"": [matrix]}), class_="matrix"),
    ]
    return tag("div", *made, class_="charts small")


def modes_view(found: SharedModes | None, meta: Mapping[str, Any], unit_name: str, who: str = "starts") -> list[Html]:
    """Mean, leading modes and spread of amplitude and phase; `who` is what they are of."""
    if found is None:
        return []
    amplitude, phase = found.amplitude, found.phase
    mean = np.where(found.inside, amplitude.mean * np.exp(1j * np.nan_to_num(phase.mean)), 0)
    look = look_of([mean], None, unit_name)
    std = ColourScale("magma", 0.0, float(found.spread.max()) or 1.0, f"standard deviation ({unit_name})")
    random = ColourScale("magma", 0.0, max(float(np.nanquantile(found.phase_spread, 0.98)), 0.01), "1 − |mean of exp(iφ)|")
    relative = ColourScale("viridis", 0.0, 1.0, "mode, relative to its maximum")
    tops = [float(m.max()) or 1.0 for m in amplitude.modes]
    rows: dict[str, list[Panel | None]] = {
        "Amplitude": [
            Panel("mean", amplitude.mean, look.amplitude, f"mean amplitude of the {who}"),
            *(
                Panel(_titled(k, amplitude), m / tops[k], relative, f"mode {k + 1} of the amplitude")
                for k, m in enumerate(amplitude.modes)
            ),
            Panel("spread", found.spread, std, f"standard deviation of the amplitude over the {who}"),
        ],
        "Phase": [
            Panel("circular mean", phase.mean, look.phase, f"mean phase of the {who}"),
            *(
                Panel(_titled(k, phase), m, phase_scale_of(m, f"phase of mode {k + 1} (rad)"), f"mode {k + 1} of the phase")
                for k, m in enumerate(phase.modes)
            ),
            Panel("spread", found.phase_spread, random, f"disagreement of the phase over the {who}, 0 to 1"),
        ],
    }
    note = (
        f"Amplitude modes by non-negative factorisation: {len(amplitude.modes)} explain {amplitude.explained:.1%} of the energy. "
        f"Phase modes by circular SVD, with their shares of the variance. "
        f"The complex common mode (leading singular vector) holds {found.common:.1%} of the energy of the aligned {who}."
    )
    size, length = voxel_of(meta, mean.ndim)
    return [viewer(rows, found.origin, size, length, note)]


def _titled(k: int, modes: Modes) -> str:
    return f"mode {k + 1}, {modes.fractions[k]:.1%}"
