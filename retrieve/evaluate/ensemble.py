"""What many starts say together: spread, agreement, clusters, and the mode they have in common.

Everything works on a stack of estimates, complex64 (starts, *shape), centred at N//2.  `usable`, bool
(starts,), leaves failed starts out; their rows come back as NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics.alignment import align_stack
from ..numerics.arrays import like, to_numpy
from ..numerics.stacks import Stack, align_all, usable_of
from ..problem import Problem
from .metrics import INSIDE, unit_phasor


def phase_spread(
    estimates: Stack, chosen: int, usable: ArrayLike | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float32] | None:
    """1 − |mean exp(iφ)| (*shape) over the usable starts aligned to the chosen one: 0 where all agree, 1 at random.

    mask: bool (*shape), where the chosen start exceeds a tenth of its maximum unless given; NaN outside.
    None with fewer than two usable starts: one sample has no spread.
    """
    usable = usable_of(estimates, usable)
    if usable.sum() < 2:
        return None
    aligned = align_all(estimates, chosen, usable)[usable]
    inside = _object(estimates[chosen], mask)
    return np.where(inside, 1 - np.abs(unit_phasor(aligned).mean(axis=0)), np.nan).astype(np.float32)


def correlation_matrix(estimates: Stack, usable: ArrayLike | None = None) -> NDArray[np.float64]:
    """Complex correlation (starts, starts), 0 to 1, of each pair after it is aligned; NaN for failed starts."""
    good = np.flatnonzero(usable_of(estimates, usable))
    matrix = np.full((len(estimates),) * 2, np.nan)
    matrix[good, good] = 1
    for j, b in enumerate(good):
        if j:
            matrix[good[:j], b] = matrix[b, good[:j]] = align_stack(estimates[good[:j]], estimates[b]).correlations
    return matrix


def agreement_matrix(aligned: Stack) -> NDArray[np.float64]:
    """Complex correlation (starts, starts), 0 to 1, of each pair of a stack that is aligned already; 1 on the diagonal.

    As `correlation_matrix`, but without an alignment of each pair.
    """
    rows = aligned.reshape(len(aligned), -1).astype(complex)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    matrix = np.abs(rows @ rows.conj().T).clip(0, 1)
    np.fill_diagonal(matrix, 1)
    return np.asarray((matrix + matrix.T) / 2)


def pairwise(
    aligned: Stack, usable: ArrayLike | None = None, *, mask: ArrayLike | None = None, problem: Problem | None = None
) -> dict[str, NDArray[np.float64]]:
    """How alike each pair of aligned starts is, one matrix (starts, starts) a quantity, NaN for failed starts.

    amplitude: Pearson, −1 to 1.  phase: |Σ exp(i(φ_1 − φ_2))|/S over the S pixels of the mask, 0 to 1.
    diffraction, if the problem is given: Pearson of the predicted amplitudes on its valid pixels.
    mask: bool (*shape), where the mean amplitude exceeds a tenth of its maximum unless given.
    Source: Lee, Yu, Lin, Yoo & Robinson 2026, 4.7 and eq. 10; `upper` takes the values that they report.
    """
    good = usable_of(aligned, usable)
    starts = aligned[good]
    amplitudes = np.abs(starts)
    phases = unit_phasor(starts[:, _object(amplitudes.mean(axis=0), mask)])
    found = {
        "amplitude": _pearson_of_rows(amplitudes),
        "phase": np.abs(phases @ np.conj(phases).T) / phases.shape[1],
    }
    if problem is not None:
        predicted = to_numpy(problem.intensity(like(starts, problem.amplitude)))
        found["diffraction"] = _pearson_of_rows(np.sqrt(predicted[:, to_numpy(problem.valid)].clip(0)))
    for name, values in found.items():
        found[name] = np.full((len(aligned),) * 2, np.nan)
        found[name][np.ix_(good, good)] = values
    return found


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values (pairs,) above the diagonal of a matrix (starts, starts), those of failed starts left out."""
    values = matrix[np.triu_indices(len(matrix), 1)]
    return values[~np.isnan(values)]


class Cluster(NamedTuple):
    """Starts that agree.

    members: (m,), their numbers, the most typical first: by the mean correlation with the others.
    agreement: mean correlation of all pairs, 0 to 1; None with one member, one sample agrees with nothing.
    """

    members: NDArray[np.intp]
    agreement: float | None


def clusters(estimates: Stack, threshold: float = 0.9, usable: ArrayLike | None = None) -> tuple[Cluster, ...]:
    """Groups of starts of which each pair correlates by `threshold` on average once aligned, the largest first.

    Agglomerative with average linkage on 1 − `correlation_matrix` (Sokal & Michener 1958).  Equal sizes are
    ordered by agreement.  Raises InputError for a threshold outside (0, 1].
    """
    return clusters_of(correlation_matrix(estimates, usable), threshold)


def clusters_of(matrix: NDArray[np.float64], threshold: float = 0.9) -> tuple[Cluster, ...]:
    """`clusters` from a correlation matrix (starts, starts) that is at hand."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if not 0 < threshold <= 1:
        raise InputError(f"threshold={threshold} is out of range; give a correlation in (0, 1]")
    good = np.flatnonzero(~np.isnan(np.diag(matrix)))
    if len(good) < 2:
        return tuple(Cluster(good[[i]], None) for i in range(len(good)))
    tree = linkage(1 - matrix[good][:, good][np.triu_indices(len(good), 1)], "average")
    labels = fcluster(tree, 1 - threshold + 1e-9, "distance")
    found = [_cluster(good[labels == label], matrix) for label in np.unique(labels)]
    return tuple(sorted(found, key=lambda c: (-len(c.members), -(c.agreement or 0))))


def _cluster(members: NDArray[np.intp], matrix: NDArray[np.float64]) -> Cluster:
    if len(members) < 2:
        return Cluster(members, None)
    alike = matrix[np.ix_(members, members)]
    return Cluster(members[np.argsort(-alike.sum(axis=0), kind="stable")], float(upper(alike).mean()))


def select_trusted(found: Sequence[Cluster], scores: ArrayLike | None = None, slack: float = 0.05) -> int:
    """The start to trust where no truth is known.

    With scores (starts,), lower is better, such as each `Score.rank`: of the starts that score within a
    factor 1 + `slack` of the best, those in the largest cluster, and of these the best.  Without: the
    most typical start of the largest cluster.  A good score alone does not make a good object, and neither
    does company.  Raises InputError for no cluster, or no finite score among them.
    """
    if not found:
        raise InputError("no cluster to select from; look at the scores' failures")
    if scores is None:
        return int(max(found, key=lambda c: len(c.members)).members[0])
    rank = np.asarray(scores, float)
    rank = np.where(np.isfinite(rank), rank, np.inf)
    best = min(rank[c.members].min() for c in found)
    if best == np.inf:
        raise InputError("no start has a finite score; look at the scores' failures")
    near = [c for c in found if rank[c.members].min() <= best * (1 + slack)]
    chosen = max(near, key=lambda c: (len(c.members), -rank[c.members].min()))
    return int(chosen.members[rank[chosen.members].argmin()])


def average(estimates: Stack, members: ArrayLike | None = None) -> NDArray[np.complex64]:
    """Complex mean (*shape) of starts aligned to the first of `members`, such as a cluster's; all unless given."""
    members = np.arange(len(estimates)) if members is None else np.asarray(members)
    return align_all(estimates[members], 0).mean(axis=0).astype(np.complex64)


def common_mode(estimates: Stack, usable: ArrayLike | None = None) -> tuple[NDArray[np.complex64], float]:
    """The leading mode (*shape) of aligned starts, at their mean norm, and the share of their energy in it.

    With the aligned starts as rows, A = U S Vᴴ; the mode is the first row of Vᴴ and the share S₁²/ΣS².
    1 means that all starts agree.  U and S come from the small matrix A Aᴴ = U S² Uᴴ.
    """
    rows = estimates[usable_of(estimates, usable)]
    a = rows.reshape(len(rows), -1)
    gram = np.array([[np.vdot(v, u) for v in a] for u in a]).astype(complex)
    energy, u = np.linalg.eigh(gram)
    if not energy[-1] > 0:
        return np.zeros(rows.shape[1:], np.complex64), 0.0
    mode = np.tensordot(np.conj(u[:, -1]), rows, 1)
    mode *= np.mean(np.sqrt(np.diag(gram).real)) / np.linalg.norm(mode)
    mode *= np.exp(1j * np.angle(np.vdot(mode, rows[0])))
    return mode.astype(np.complex64), float(min(1.0, energy[-1] / energy.clip(0).sum()))


def _object(x: NDArray, mask: ArrayLike | None) -> NDArray[np.bool_]:
    """The mask, or where |x| (*shape) exceeds a tenth of its maximum."""
    if mask is None:
        return np.abs(x) > INSIDE * np.abs(x).max()
    inside = np.asarray(mask, bool)
    if inside.shape != x.shape:
        raise InputError(f"mask has shape {inside.shape}, the estimates {x.shape}; they must agree")
    return inside


def _pearson_of_rows(stack: NDArray) -> NDArray[np.float64]:
    """Pearson correlation (n, n) of the entries of a stack (n, …); 0 for a flat one, also with itself."""
    rows = stack.reshape(len(stack), -1).astype(float)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms > 0, norms, 1)
    return np.clip(rows @ rows.T, -1, 1)
