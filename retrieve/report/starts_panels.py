"""What the starts of a result share and where they differ: a table, distributions, modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..evaluate.ensemble import Cluster, agreement_matrix, clusters_of, pairwise, upper
from ..evaluate.modes import SharedModes, shared_modes
from ..io.result import Result
from ..numerics.alignment import shift_to_centre
from ..numerics.grids import crop_to
from ..numerics.stacks import align_all
from ..problem.scoring import Score
from .numbers import number
from .object_panels import object_grid, object_scales, phase_scale, spread_scale, voxel_edges
from .panels import ColourScale, DensityPanel, ImageGrid, ImagePanel, ImageRow, PixelGrid, matrix_panel, spans_decades
from .tables import Cell, Column, TablePanel, percent

MODES_PIXELS = 65_536  # that modes are computed of at most; factorising them takes most of a large page


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
    """R_free / R."""
    return None if score.r_free is None or not score.r > 0 else score.r_free / score.r


def starts_table(result: Result, agreement: Agreement | None) -> TablePanel:
    """A line a start."""
    starts = range(len(result.scores))
    same: list[float | None] = [None for _ in starts]
    group: list[int | None] = [None for _ in starts]
    if agreement is not None:
        known = [int(start) for start in agreement.starts]
        for number_of_group, cluster in enumerate(agreement.clusters, start=1):
            for member in cluster.members:
                group[known[member]] = number_of_group
        if result.chosen in known:
            for start, correlation in zip(known, agreement.matrix[known.index(result.chosen)], strict=True):
                same[start] = float(correlation)
    chosen = result.chosen if result.averaged is None else None
    remarks = [Cell(s.failure or "chosen" * (k == chosen), s.failure, strong=not s.failure) for k, s in enumerate(result.scores)]
    columns = [
        Column("start", starts),
        Column("R", [score.r for score in result.scores], "on the fitted pixels"),
        Column("R_free", [score.r_free for score in result.scores], "on the held-out pixels"),
        Column("R_free / R", [ratio_of(score) for score in result.scores], "near 1 is healthy"),
        *_deviances(result),
        Column("support", _shares(result), "share of the array", show=lambda v: percent(v, 2)),
        Column("agreement", same, "complex correlation with the chosen start, after alignment", show=lambda v: number(v, 4)),
        Column("group", group, "starts of one group correlate by 0.9 or more on average; 1 is the largest group"),
        Column("remark", remarks),
    ]
    return TablePanel("starts-table", "Starts", columns)


def _deviances(result: Result) -> list[Column]:
    """The deviance per pixel of each start; none if no noise is known."""
    names = {"deviance": ("deviance", "fitted"), "deviance_free": ("free deviance", "held-out")}
    columns = {name: [getattr(score, name) for score in result.scores] for name in names}
    return [
        Column(title, columns[name], f"per pixel, on the {pixels} pixels; 1 if noise explains the misfit")
        for name, (title, pixels) in names.items()
        if any(value is not None for value in columns[name])
    ]


def _shares(result: Result) -> list[float | None]:
    """Of each start the share of the array that its support fills."""
    if result.supports is None:
        return [None] * len(result.scores)
    return [float(np.mean(support)) for support in result.supports]


def starts_charts(result: Result, agreement: Agreement) -> list[DensityPanel | ImagePanel]:
    """Distributions of R and of the likeness of pairs, and the matrix of pairs."""
    alike = {name: upper(matrix) for name, matrix in pairwise(agreement.aligned, result.problem).items()}
    scores = {"R": np.array([score.r for score in result.scores], float)}
    free = np.array([math.nan if score.r_free is None else score.r_free for score in result.scores])
    if np.isfinite(free).any():
        scores["R_free"] = free
    return [
        _distributions("R and R_free", scores, "distribution of R and R_free over the starts"),
        _distributions("likeness of pairs", alike, "distribution of the correlations between pairs of starts"),
        matrix_panel("correlation of each pair", agreement.matrix, [range(len(agreement.matrix))], "starts"),
    ]


def _distributions(title: str, values: Mapping[str, NDArray[np.float64]], alt: str) -> DensityPanel:
    found = list(values.values())
    return DensityPanel(title, {0: found}, list(values), alt, log=spans_decades(found))


def modes_of_starts(result: Result, agreement: Agreement, unit: str) -> ImageGrid:
    """Mean, modes and spread of the aligned starts, in the box of the chosen one's object, in a large one thinned."""
    reference = result.chosen if result.chosen in agreement.starts else int(agreement.starts[0])
    x = agreement.aligned[list(agreement.starts).index(reference)]
    support = result.problem.support if result.supports is None else result.supports[reference]
    if support is not None:
        support = np.roll(np.asarray(support, bool), shift_to_centre(result.estimates[reference]), range(x.ndim))
    box, step = _around_middle(crop_to(x, support), x.shape)
    found, edges = shared_modes(agreement.aligned[(slice(None), *box)]), voxel_edges(result.problem.meta, x.shape)
    return modes_grid(found, object_grid(found.origin, result.problem.meta, edges), unit, "starts", step)


def _around_middle(crop: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[tuple[slice, ...], int]:
    """A box that holds `crop` and whose own middle pixel is the array's; one pixel in how many it takes along an axis."""
    half = [min(max(n // 2 - cut.start, cut.stop - n // 2), n // 2) for cut, n in zip(crop, shape, strict=True)]
    step = math.ceil((math.prod(2 * h + 1 for h in half) / MODES_PIXELS) ** (1 / len(shape)))
    box = (slice(n // 2 - h // step * step, min(n, n // 2 + h + 1), step) for h, n in zip(half, shape, strict=True))
    return tuple(box), step


def modes_grid(found: SharedModes, grid: PixelGrid, unit: str, who: str, step: int = 1) -> ImageGrid:
    """Mean, leading modes and spread of amplitude and phase.  who: what they are of.  step: one pixel in so many is there."""
    amplitude, phase = found.amplitude, found.phase
    grid = grid._replace(size=tuple(step * size for size in grid.size))
    mean = np.where(found.inside, amplitude.mean * np.exp(1j * np.nan_to_num(phase.mean)), 0)
    scales = object_scales([mean], None, unit)
    relative = ColourScale("viridis", 0.0, 1.0, "mode, relative to its maximum")
    std = spread_scale(found.spread, f"std of amplitude ({unit})")
    turning = ColourScale("magma", 0.0, max(float(np.nanquantile(found.phase_spread, 0.98)), 0.01), "1 − |mean of exp(iφ)|")
    amplitudes = [ImagePanel("mean", amplitude.mean, scales.amplitude, grid, f"mean amplitude of the {who}", bar=True)]
    phases = [ImagePanel("circular mean", phase.mean, scales.phase, grid, f"mean phase of the {who}")]
    for k, (mode, angle) in enumerate(zip(amplitude.modes, phase.modes, strict=True)):
        name = f"mode {k + 1}"
        title = f"{name}: {amplitude.fractions[k]:.1%} of energy"
        amplitudes.append(ImagePanel(title, mode / (float(mode.max()) or 1.0), relative, grid, f"{name} of the amplitude"))
        title, scale = f"{name}: {phase.fractions[k]:.1%} of variance", phase_scale(angle, f"phase of {name} (rad)")
        phases.append(ImagePanel(title, angle, scale, grid, f"{name} of the phase"))
    amplitudes.append(ImagePanel("spread", found.spread, std, grid, f"standard deviation of the amplitude over the {who}"))
    phases.append(
        ImagePanel(
            "spread", np.maximum(found.phase_spread, 0), turning, grid, f"disagreement of the phase over the {who}, 0 to 1"
        )
    )
    note = (
        f"Amplitude modes by non-negative factorisation: {len(amplitude.modes)} explain {amplitude.explained:.1%} of the energy. "
        f"Phase modes by circular SVD, with their shares of the variance. "
        f"The complex common mode (leading singular vector) holds {found.common:.1%} of the energy of the aligned {who}."
    )
    thinned = f"One pixel in {step} along each axis. " * (step > 1)
    return ImageGrid([ImageRow(amplitudes, "Amplitude"), ImageRow(phases, "Phase")], thinned + note)
