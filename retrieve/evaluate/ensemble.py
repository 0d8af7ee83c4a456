"""What many starts say together: how alike they are, their clusters, and the mode they have in common.

Everything works on a stack of estimates, complex64 (starts, *shape), centred at N//2, all of them finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics.alignment import align_stack
from ..numerics.arrays import like, to_numpy
from ..numerics.stacks import Stack, align_all
from ..problem import Problem
from .metrics import INSIDE, unit_phasor

POINTS_AT_ONCE = 1 << 20
"""Points of each start that are taken in double precision at once."""
SLACK = 0.05  # of the lowest score: starts within it count as equally good


def correlation_matrix(estimates: Stack) -> NDArray[np.float64]:
    """Complex correlation (starts, starts), 0 to 1, of each pair after it is aligned."""
    matrix = np.eye(len(estimates))
    for j in range(1, len(estimates)):
        matrix[:j, j] = matrix[j, :j] = align_stack(estimates[:j], estimates[j]).correlations
    return matrix


def agreement_matrix(aligned: Stack) -> NDArray[np.float64]:
    """Complex correlation (starts, starts), 0 to 1, of each pair of a stack that is aligned already; 1 on the diagonal.

    As `correlation_matrix`, but without an alignment of each pair.
    """
    rows = aligned.reshape(len(aligned), -1)
    gram = np.zeros((len(rows), len(rows)), complex)
    for k in range(0, rows.shape[1], POINTS_AT_ONCE):  # in double precision, without a copy of all
        part = rows[:, k : k + POINTS_AT_ONCE].astype(complex)
        gram += part @ part.conj().T
    norms = np.sqrt(np.maximum(np.diag(gram).real, 1e-60))
    matrix = np.abs(gram / np.outer(norms, norms)).clip(0, 1)
    np.fill_diagonal(matrix, 1)
    return np.asarray((matrix + matrix.T) / 2)


def pairwise(aligned: Stack, problem: Problem) -> dict[str, NDArray[np.float64]]:
    """How alike each pair of aligned starts is, one matrix (starts, starts) a quantity.

    amplitude: Pearson, −1 to 1.  phase: |Σ exp(i(φ_1 − φ_2))|/S over the S pixels where the mean amplitude exceeds a tenth of
    its maximum, 0 to 1.  diffraction: Pearson of the predicted amplitudes on the measured pixels.
    Source: Lee, Yu, Lin, Yoo & Robinson 2026, 4.7 and eq. 10; `upper` takes the values that they report.
    """
    amplitudes = np.abs(aligned)
    mean = amplitudes.mean(axis=0)
    phases = unit_phasor(aligned[:, mean > INSIDE * mean.max()])
    predicted = to_numpy(problem.intensity(like(aligned, problem.amplitude)))
    return {
        "amplitude": _pearson_of_rows(amplitudes),
        "phase": np.abs(phases @ np.conj(phases).T) / phases.shape[1],
        "diffraction": _pearson_of_rows(np.sqrt(predicted[:, to_numpy(problem.valid)].clip(0))),
    }


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values (pairs,) above the diagonal of a matrix (starts, starts)."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


class Cluster(NamedTuple):
    """Starts that agree.

    members: (m,), their numbers, the most typical first: by the mean correlation with the others.
    agreement: mean correlation of all pairs, 0 to 1; None with one member, one sample agrees with nothing.
    """

    members: NDArray[np.intp]
    agreement: float | None


def clusters_of(matrix: NDArray[np.float64], threshold: float = 0.9) -> tuple[Cluster, ...]:
    """Groups of starts of which each pair correlates by `threshold` on average, the largest first.

    matrix: their correlations (starts, starts).  Agglomerative with average linkage on 1 − correlation (Sokal & Michener
    1958).  Equal sizes are ordered by agreement.  Raises InputError for a threshold outside (0, 1].
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if not 0 < threshold <= 1:
        raise InputError(f"threshold={threshold} is out of range; give a correlation in (0, 1]")
    if len(matrix) < 2:
        return tuple(Cluster(np.array([k]), None) for k in range(len(matrix)))
    labels = fcluster(linkage(1 - upper(matrix), "average"), 1 - threshold + 1e-9, "distance")
    found = [_cluster(np.flatnonzero(labels == label), matrix) for label in np.unique(labels)]
    return tuple(sorted(found, key=lambda c: (-len(c.members), -(c.agreement or 0))))


def _cluster(members: NDArray[np.intp], matrix: NDArray[np.float64]) -> Cluster:
    if len(members) < 2:
        return Cluster(members, None)
    alike = matrix[np.ix_(members, members)]
    return Cluster(members[np.argsort(-alike.sum(axis=0), kind="stable")], float(upper(alike).mean()))


def select_trusted(found: Sequence[Cluster], scores: ArrayLike) -> int:
    """The start to trust where no truth is known.

    scores: (starts,), lower is better, such as each `Score.rank`.  Of the starts within `SLACK` of the best score it is the
    best of those in the largest cluster. Neither a good score nor agreement alone makes a good object.
    Raises InputError for no cluster, or no finite score among them.
    """
    if not found:
        raise InputError("no cluster to select from; look at the scores' failures")
    rank = np.asarray(scores, float)
    rank = np.where(np.isfinite(rank), rank, np.inf)
    best = min(rank[c.members].min() for c in found)
    if best == np.inf:
        raise InputError("no start has a finite score; look at the scores' failures")
    near = [c for c in found if rank[c.members].min() <= best * (1 + SLACK)]
    chosen = max(near, key=lambda c: (len(c.members), -rank[c.members].min()))
    return int(chosen.members[rank[chosen.members].argmin()])


def average(estimates: Stack) -> NDArray[np.complex64]:
    """Complex mean (*shape) of starts aligned to the first of them."""
    return align_all(estimates, 0).mean(axis=0).astype(np.complex64)


def common_mode(rows: Stack) -> tuple[NDArray[np.complex64], float]:
    """The leading mode (*shape) of aligned starts, at their mean norm, and the share of their energy in it.

    With the aligned starts as rows, A = U S Vᴴ; the mode is the first row of Vᴴ and the share S₁²/ΣS².
    1 means that all starts agree.  U and S come from the small matrix A Aᴴ = U S² Uᴴ.
    """
    a = rows.reshape(len(rows), -1)
    gram = np.array([[np.vdot(v, u) for v in a] for u in a]).astype(complex)
    energy, u = np.linalg.eigh(gram)
    if not energy[-1] > 0:
        return np.zeros(rows.shape[1:], np.complex64), 0.0
    mode = np.tensordot(np.conj(u[:, -1]), rows, 1)
    mode *= np.mean(np.sqrt(np.diag(gram).real)) / np.linalg.norm(mode)
    mode *= np.exp(1j * np.angle(np.vdot(mode, rows[0])))
    return mode.astype(np.complex64), float(min(1.0, energy[-1] / energy.clip(0).sum()))


def _pearson_of_rows(stack: NDArray) -> NDArray[np.float64]:
    """Pearson correlation (n, n) of the entries of a stack (n, …); 0 for a flat one, also with itself."""
    rows = stack.reshape(len(stack), -1).astype(float)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms > 0, norms, 1)
    return np.clip(rows @ rows.T, -1, 1)
