"""What many starts say together: spread, agreement, and the mode they have in common.

Everything works on a stack of estimates, complex64 (starts, *shape), centred at N//2.  `usable`, bool
(starts,), leaves failed starts out; their rows come back as NaN.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .evaluate import align
from .result import Result, Score
from .score import Scorer

Stack = NDArray[np.complexfloating]


def align_all(estimates: Stack, reference_index: int, usable: ArrayLike | None = None) -> Stack:
    """The stack (starts, *shape) with each usable start brought onto one of them by shift, twin and global phase.

    All starts fit one pattern, so no phase ramp is removed.  Raises InputError when the reference is not usable.
    """
    usable = _usable(estimates, usable)
    if not usable[reference_index]:
        raise InputError(f"start {reference_index} failed and cannot be the reference; take one of {np.flatnonzero(usable)}")
    aligned = np.full_like(estimates, np.nan)
    for i in np.flatnonzero(usable):
        is_reference = i == reference_index % len(estimates)
        aligned[i] = estimates[i] if is_reference else align(estimates[i], estimates[reference_index]).object
    return aligned


def spread(estimates: Stack, chosen: int, usable: ArrayLike | None = None) -> NDArray[np.float32] | None:
    """Standard deviation (*shape), in units of amplitude, over the usable starts aligned to the chosen one.

    None with fewer than two usable starts: one sample has no spread.
    """
    usable = _usable(estimates, usable)
    if usable.sum() < 2:
        return None
    return np.abs(align_all(estimates, chosen, usable)[usable]).std(axis=0, ddof=1).astype(np.float32)


def correlation_matrix(estimates: Stack, usable: ArrayLike | None = None) -> NDArray[np.float64]:
    """Complex correlation (starts, starts), 0 to 1, of each pair after it is aligned; NaN for failed starts."""
    good = np.flatnonzero(_usable(estimates, usable))
    matrix = np.full((len(estimates),) * 2, np.nan)
    matrix[good, good] = 1
    for j, b in enumerate(good):
        for a in good[:j]:
            matrix[a, b] = matrix[b, a] = align(estimates[a], estimates[b]).correlation
    return matrix


def mean_to_max(x: ArrayLike) -> float:
    """Mean over maximum of |x| (*shape) on the pixels above 10 % of the maximum; 0 for an empty object.

    The nearer 1 the more homogeneous, and so the better as a rule, for a crystal of one material: the
    mean-to-maximum ratio by which cdiutils sorts starts (Atlan et al. 2023).
    """
    amplitude = np.abs(np.asarray(x))
    top = float(amplitude.max())
    return float(amplitude[amplitude > 0.1 * top].mean(dtype=float)) / top if top else 0.0


def common_mode(estimates: Stack, usable: ArrayLike | None = None) -> tuple[NDArray[np.complex64], float]:
    """The leading mode (*shape) of aligned starts, at their mean norm, and the share of their energy in it.

    With the aligned starts as rows, A = U S Vᴴ; the mode is the first row of Vᴴ and the share S₁²/ΣS².
    1 means that all starts agree.  U and S come from the small matrix A Aᴴ = U S² Uᴴ.
    """
    rows = estimates[_usable(estimates, usable)]
    a = rows.reshape(len(rows), -1)
    gram = np.array([[np.vdot(v, u) for v in a] for u in a]).astype(complex)
    energy, u = np.linalg.eigh(gram)
    if not energy[-1] > 0:
        return np.zeros(rows.shape[1:], np.complex64), 0.0
    mode = np.tensordot(np.conj(u[:, -1]), rows, 1)
    mode *= np.mean(np.sqrt(np.diag(gram).real)) / np.linalg.norm(mode)
    mode *= np.exp(1j * np.angle(np.vdot(mode, rows[0])))
    return mode.astype(np.complex64), float(min(1.0, energy[-1] / energy.clip(0).sum()))


def scatter_and_filter(
    estimates: Stack, keep: int, usable: ArrayLike | None = None
) -> tuple[NDArray[np.complex64], NDArray[np.intp], float]:
    """Keep the `keep` starts of the highest `mean_to_max`, align them to the best and take their common mode.

    Returns the mode (*shape), the kept indices from the best down, and the mode's share of the energy.
    Raises InputError unless 1 <= keep <= the number of usable starts.
    """
    good = np.flatnonzero(_usable(estimates, usable))
    if not 1 <= keep <= len(good):
        raise InputError(f"keep={keep} is out of range; give 1 to {len(good)}, the number of usable starts")
    merit = np.array([mean_to_max(estimates[i]) for i in good])
    kept = good[np.argsort(-merit, kind="stable")[:keep]]
    mode, fraction = common_mode(align_all(estimates[kept], 0))
    return mode, kept, fraction


def combine(result: Result, how: str, keep: int | None = None) -> Result:
    """A result whose object is made of its starts.

    how: "best" leaves the start with the best score; "common-mode" filters the starts and scores their
    common mode anew. keep: starts that pass the filter, half of the usable ones where None.
    Raises `InputError` with fewer than two usable starts.
    """
    manifest = {**result.manifest, "combine": how, "keep": keep}
    if how == "best":
        return dataclasses.replace(result, manifest=manifest)
    usable = np.array([score.failure is None for score in result.scores])
    if usable.sum() < 2:
        raise InputError(f"combine={how!r} needs at least two usable starts, there is {usable.sum()}; give more starts")
    mode, kept, fraction = scatter_and_filter(result.estimates, keep or max(2, int(usable.sum()) // 2), usable)
    held = None if result.held is None else np.fft.ifftshift(result.held)
    chi2, free = Scorer.of(result.problem, held)(mode[None])
    score = Score(float(chi2[0]), None if np.isnan(free[0]) else float(free[0]))
    manifest |= {"kept": kept.tolist(), "common_mode_fraction": fraction}
    return dataclasses.replace(result, object=mode, combined=score, manifest=manifest)


def _usable(estimates: Stack, usable: ArrayLike | None) -> NDArray[np.bool_]:
    mask = np.ones(len(estimates), bool) if usable is None else np.asarray(usable, bool)
    if mask.shape != (len(estimates),):
        raise InputError(f"usable has shape {mask.shape}; give one flag for each of the {len(estimates)} starts")
    if not mask.any():
        raise InputError("no start is usable; look at the scores' failures")
    return mask
