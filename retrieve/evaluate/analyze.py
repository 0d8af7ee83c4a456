"""The analysis of an ensemble: is there one solution, how sure and how fine is it, and what do its members share.

The figures of Lee, Yu, Lin, Yoo & Robinson 2026, section 5.2 and Figure 5, for the starts or posterior samples of
one result or several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io.result import Result
from ..numerics.alignment import align, shift_to_centre
from ..numerics.arrays import like, to_numpy
from ..numerics.stacks import align_all
from ..problem.likelihood import SQUARE_TOLERANCE, whole_numbers
from ..problem.scoring import Score, Scorer
from .ensemble import Cluster, agreement_matrix, average, clusters_of, pairwise, select_trusted
from .groups import natural_threshold, verdict_of
from .metrics import Metric, chi2_diffraction, diffraction_correlation
from .modes import SharedModes, shared_modes
from .reach import reach_of
from .resolution import Curve, Resolution, frc, prtf, resolution, within_reach

ANALYSED = ("auto", "starts", "samples")


class Fineness(NamedTuple):
    """A curve over spatial frequency, the resolution read off it, and what it is of."""

    curve: Curve
    resolution: Resolution
    of: str


@dataclass(frozen=True, eq=False)
class Analysis:
    """The figures of an ensemble of n members, all of one shape.

    Attributes
    ----------
    names : tuple of str
        Of the files.
    kind : str
        "starts" or "samples".
    groups : ndarray
        (n,), the file that each member is from.
    members : ndarray
        complex64 (n, *shape), aligned to number `reference`, their centre of mass at N//2.
    reference : int
        Number of the member to which the others are aligned.
    scores : tuple of Score
        Of each member.
    left_out : int
        How many failed.
    matrix : ndarray
        (n, n), complex correlation of each pair.
    pairs : mapping
        By quantity (amplitude, phase, diffraction), (n, n).
    errors : mapping
        By metric, (n,), over all measured pixels of the member's own data; "r" is the R of `scores`, over the fitted pixels.
    clusters : tuple of Cluster
        Of members that agree by `threshold` on average.
    threshold : float
        Mean correlation within a cluster.
    modes : SharedModes
        What the members share, and in what they differ.
    curves : tuple of Fineness
        PRTF, and FRC between two files or two halves.
    meta : mapping
        Of the first file.
    counts : bool
        Whether the pattern of the reference's file holds counts.
    """

    names: tuple[str, ...]
    kind: str
    groups: NDArray[np.intp]
    members: NDArray[np.complex64]
    reference: int
    scores: tuple[Score, ...]
    left_out: int
    matrix: NDArray[np.float64]
    pairs: Mapping[str, NDArray[np.float64]]
    errors: Mapping[str, NDArray[np.float64]]
    clusters: tuple[Cluster, ...]
    threshold: float
    modes: SharedModes
    curves: tuple[Fineness, ...]
    meta: Mapping[str, Any]
    counts: bool = False

    @property
    def verdict(self) -> str:
        """Whether there is one solution or several, in words."""
        return verdict_of(self.clusters, self.matrix)

    def between(self, quantity: str) -> NDArray[np.float64]:
        """Mean of a pairwise quantity within each file and between files, (files, files); NaN where there is no pair."""
        matrix, files = np.array(self.pairs[quantity]), range(len(self.names))
        np.fill_diagonal(matrix, np.nan)
        blocks = [[matrix[np.ix_(self.groups == a, self.groups == b)] for b in files] for a in files]
        return np.array([[np.nanmean(v) if np.isfinite(v).any() else np.nan for v in row] for row in blocks])


def analyze(
    results: Sequence[Result],
    names: Sequence[str] | None = None,
    *,
    of: str = "auto",
    modes: int = 2,
    threshold: float | None = None,
) -> Analysis:
    """Analyse the starts or the posterior samples of results of one shape.

    Members are aligned by shift, twin and phase to the one that `ensemble.select_trusted` takes. Members of another file are
    aligned also by scale and phase ramp, since exposure and centre may differ. Failed starts are left out.

    Parameters
    ----------
    results : sequence of Result
        Results whose objects have one shape.
    names : sequence of str, optional
        Of the results.
    of : str
        "starts", "samples", or "auto": the samples if every result has them.
    modes : int
        Number of modes of the amplitude and of the phase.
    threshold : float, optional
        Mean correlation within a cluster, in (0, 1]. Unless given it is where the ensemble falls apart, if it does:
        see `natural_threshold`.

    Returns
    -------
    Analysis
        The members with all figures. R is over the fitted pixels, the other errors are over all measured ones.

    Raises
    ------
    InputError
        For results of different shapes, fewer than two members or than `modes`, or samples that a result lacks.
    """
    kind, stacks, scores, left_out = _gather(results, of)
    groups = np.repeat(np.arange(len(results)), [len(stack) for stack in stacks])
    estimates = np.concatenate(stacks)
    if len(estimates) < max(2, modes):
        usable = f"is 1 usable {kind[:-1]}" if len(estimates) == 1 else f"are {len(estimates)} usable {kind}"
        raise InputError(
            f"there {usable}; an analysis of modes={modes} needs at least {max(2, modes)}: "
            "run with more --starts or --samples, or give several files"
        )
    members, reference = _align(estimates, groups, [score.rank for score in scores], threshold)
    matrix = agreement_matrix(members)

    def of_data(metric: Metric) -> NDArray[np.float64]:
        return np.array([metric(x, results[int(g)].problem) for x, g in zip(estimates, groups, strict=True)])

    threshold = natural_threshold(matrix) if threshold is None else threshold
    return Analysis(
        names=tuple(names or [f"result {k + 1}" for k in range(len(results))]),
        kind=kind,
        groups=groups,
        members=members,
        reference=reference,
        scores=tuple(scores),
        left_out=left_out,
        matrix=matrix,
        pairs=pairwise(members, results[int(groups[reference])].problem),
        errors={
            "chi2_diffraction": of_data(chi2_diffraction),
            "r": np.array([score.r for score in scores]),
            "diffraction_correlation": of_data(diffraction_correlation),
        },
        clusters=clusters_of(matrix, threshold),
        threshold=threshold,
        modes=shared_modes(members, modes),
        curves=tuple(_curves(members, groups, results, reference)),
        meta=dict(results[0].problem.meta),
        counts=whole_numbers(results[int(groups[reference])].problem.data, SQUARE_TOLERANCE),
    )


def _gather(results: Sequence[Result], of: str) -> tuple[str, list[NDArray[np.complex64]], list[Score], int]:
    """Whether they are starts or samples, the members of each result with their scores, and how many were left out."""
    if of not in ANALYSED:
        raise InputError(f"of={of!r} is unknown; give one of {', '.join(ANALYSED)}")
    shapes = sorted({result.object.shape for result in results})
    if len(shapes) != 1:
        raise InputError(f"the results have objects of shapes {', '.join(map(str, shapes))}; objects of one shape are needed")
    lacking = [k for k, result in enumerate(results) if result.samples is None]
    if of == "samples" and lacking:
        raise InputError(f"result {lacking[0] + 1} holds no samples; run it with --samples, or analyse the starts")
    kind = "starts" if of == "starts" or lacking else "samples"
    stacks, scores, left_out = [], [], 0
    for result in results:
        if kind == "samples":
            every = np.asarray(result.samples)
            held = None if result.held is None else np.fft.ifftshift(result.held)
            own = Scorer.of(result.problem, held).scores(every)
        else:
            every, own = result.estimates, list(result.scores)
        axes = tuple(range(1, every.ndim))
        scored = [score.failure is None and np.isfinite(score.r) for score in own]
        good = np.isfinite(every).all(axis=axes) & every.any(axis=axes) & scored
        stacks.append(every[good])
        scores += [score for score, usable in zip(own, good, strict=True) if usable]
        left_out += int((~good).sum())
    return kind, stacks, scores, left_out


def _align(
    estimates: NDArray[np.complex64], groups: NDArray[np.intp], rank: Sequence[float], threshold: float | None
) -> tuple[NDArray[np.complex64], int]:
    """The members on the one to trust, rolled together so that its centre of mass is at N//2, and its number."""
    several = groups.max() > 0
    reference = int(np.argmin(rank))
    if not several:  # scores of one file only can be compared
        rough = agreement_matrix(align_all(estimates, reference))
        reference = select_trusted(clusters_of(rough, natural_threshold(rough) if threshold is None else threshold), rank)
    target = estimates[reference]
    members = [
        align(x, target, ramp=True, scale=True).object if g != groups[reference] else align(x, target).object
        for x, g in zip(estimates, groups, strict=True)
    ]
    members[reference] = target
    roll = shift_to_centre(target)
    return np.roll(np.stack(members), roll, axis=range(1, estimates.ndim)).astype(np.complex64), reference


def _curves(
    members: NDArray[np.complex64], groups: NDArray[np.intp], results: Sequence[Result], reference: int
) -> list[Fineness]:
    """PRTF of the members of the reference's file, and FRC between the first two files, or between two halves.

    Both end where the data of the reference's file end.
    """
    problem = results[int(groups[reference])].problem
    voxel = problem.meta.get("voxel_size_nm")
    own = members[groups == groups[reference]]
    made: list[tuple[Curve, str]] = []
    judged = problem.operator.out_shape == problem.amplitude.shape
    if judged and len(own) > 1:
        made.append((prtf(own, problem), f"{len(own)} members"))
    if len(results) > 1:
        parts, said = [members[groups == g] for g in (0, 1)], "averages of the first two files"
    else:
        parts, said = [members[0::2], members[1::2]], "averages of two halves of one ensemble, which share their data"
    if all(len(part) for part in parts):
        curve = frc(average(parts[0]), average(parts[1]))
        if judged:
            misfit = to_numpy(problem.misfit(like(own, problem.amplitude))).mean(axis=0)
            curve = within_reach(curve, reach_of(problem, misfit))
        made.append((curve, said))
    return [Fineness(curve, resolution(curve, voxel_nm=voxel), said) for curve, said in made]
