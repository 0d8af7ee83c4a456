"""One solution or several: at which correlation an ensemble falls apart into groups, if it does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .ensemble import Cluster

SAME_SOLUTION_CORRELATION = 0.9  # complex correlation above which two groups count as one solution
CLEAR = 0.5  # mean silhouette above which groups are more than chance; Kaufman & Rousseeuw 1990


def natural_threshold(matrix: NDArray[np.float64], same: float = SAME_SOLUTION_CORRELATION) -> float:
    """The correlation to cut a matrix (n, n) at: where groups are best apart, or below all where there are none.

    The cut, among those of average linkage on 1 − correlation, of the highest mean silhouette, where that exceeds
    `CLEAR` and the groups agree by less than `same`.  Without one everything is one group: the correlation of the
    last merger.  So members that scatter evenly are one group however much they do, and two groups whose members
    scatter as much are still two.  Two members are one group from `same` on.

    Source: Rousseeuw 1987, J. Comput. Appl. Math. 20, 53.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from sklearn.metrics import silhouette_score  # type: ignore[import-untyped]

    n = len(matrix)
    if n < 3:
        return same
    distance = 1 - matrix
    np.fill_diagonal(distance, 0)
    tree = linkage(distance[np.triu_indices(n, 1)], "average")
    heights = tree[:, 2]
    best, cut = CLEAR, heights[-1]
    for below, above in zip(heights[:-1], heights[1:], strict=True):
        middle = (below + above) / 2
        labels = fcluster(tree, middle, "distance")
        if above <= 1 - same or not 2 <= len(set(labels)) < n:
            continue
        clear = silhouette_score(distance, labels, metric="precomputed")
        if clear > best:
            best, cut = clear, middle
    return float(np.clip(1 - cut, 1e-6, 1))


def verdict_of(clusters: Sequence[Cluster], matrix: NDArray[np.float64]) -> str:
    """Whether there is one solution or several, in words."""
    n, sizes = len(matrix), [len(cluster.members) for cluster in clusters]
    groups = [cluster for cluster in clusters if cluster.agreement is not None]
    if not groups:
        return f"no solution is found twice among {n}"
    within = float(np.mean([c.agreement for c in groups if c.agreement is not None]))
    if len(groups) == 1:
        if sizes[0] < n:
            rest = f"the other {n - sizes[0]} agree with none"
            return f"one solution is found {sizes[0]} times of {n}, agreeing by {within:.2f}; {rest}"
        if within >= SAME_SOLUTION_CORRELATION:
            return f"one solution: all {n} agree, by {within:.2f} on average"
        if within >= 0.5:
            return f"one group, but a loose one: all {n} agree by {within:.2f} on average"
        return f"no solution stands out: all {n} agree by {within:.2f} on average only"
    between = [matrix[np.ix_(a.members, b.members)].mean() for k, a in enumerate(groups) for b in groups[:k]]
    told = ", ".join(str(len(c.members)) for c in groups)
    return f"several solutions: groups of {told} among {n}, agreeing by {within:.2f} within and {np.mean(between):.2f} between"
