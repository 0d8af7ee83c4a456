"""One object made of many starts: their mean, or the mode that the best of them have in common."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..io.result import Result
from ..numerics.alignment import align
from ..numerics.arrays import to_numpy
from ..numerics.stacks import Stack, align_all
from ..plugins.options import unknown
from ..problem.scoring import Scorer, same_support, standard_error
from .ensemble import common_mode

ONE_OBJECT = 0.75
"""Correlation with the best start below which a start is of another object, and does not agree."""
LEAST_WEIGHT = 1e-6
"""Share of the weights below which a start has no part in the mean."""
FREE_SCORE_ERRORS = 4  # of 1 to 20 tried on crystals without a support, anything from 4 on is about as good


def average_starts(result: Result, how: str, keep: int | None = None) -> Result:
    """Make the object of a result from its starts.

    Parameters
    ----------
    result : Result
        The result.
    how : str
        "best" leaves the chosen start. "mean" takes the `weighted_mean`, "agreeing" that of the starts that correlate with the
        best by 0.75; of one start it is that start.
        "common-mode" keeps the most homogeneous starts and takes the mode that they share.
    keep : int, optional
        Starts that "common-mode" keeps; half of the usable ones unless given.

    Returns
    -------
    Result
        The object is aligned to the chosen start, whose support stays with it, and is scored anew.

    Raises
    ------
    InputError
        For another way, and for "common-mode" of fewer than two usable starts.
    """
    manifest = {**result.manifest, "averaging": how, "keep": keep}
    if how == "best":
        return dataclasses.replace(result, manifest=manifest)
    usable = np.array([score.failure is None for score in result.scores])
    if how in ("mean", "agreeing"):
        if usable.sum() < 2:
            return dataclasses.replace(result, manifest=manifest)
        x, weights = weighted_mean(result, ONE_OBJECT if how == "agreeing" else 0)
        manifest |= {"weights": weights.round(4).tolist()}
        if (weights > 0).sum() < 2:
            return dataclasses.replace(result, manifest=manifest)
    elif how == "common-mode":
        if usable.sum() < 2:
            raise InputError(f"averaging={how!r} needs at least two usable starts, there is {usable.sum()}; give more starts")
        x, kept, fraction = scatter_and_filter(result.estimates, keep or max(2, int(usable.sum()) // 2), usable)
        manifest |= {"kept": kept.tolist(), "common_mode_fraction": fraction}
    else:
        raise InputError(unknown("way to average starts", how, ("best", "agreeing", "mean", "common-mode")))
    x = align(x, result.object).object.astype(np.complex64)
    held = None if result.held is None else np.fft.ifftshift(result.held)
    score = Scorer.of(result.problem, held).scores(x[None])[0]
    return dataclasses.replace(result, object=x, averaged=score, manifest=manifest)


def weighted_mean(result: Result, least: float = 0) -> tuple[NDArray[np.complex64], NDArray[np.float64]]:
    """Complex mean (*shape) of the usable starts, aligned to the best of them, and the weights of all, of sum 1.

    The weights are exp(−(R/lowest R − 1)/standard error). Starts that differ by less than the noise count alike, and clearly
    worse ones count nothing. If supports differ, a wide one lowers R. Then R_free weighs, if pixels were held out, with
    `FREE_SCORE_ERRORS` times its standard error. Starts that correlate with the best by less than `least` count nothing.

    Of objects drawn from the posterior, the mean is the one of least expected error. It fits the data less well than each,
    which also fits the noise.
    """
    seen, held = to_numpy(result.problem.valid), np.zeros(1, bool) if result.held is None else np.fft.ifftshift(result.held)
    by_free = bool(held.any()) and not same_support(result.problem, result.supports)
    values = np.array([np.inf if score.failure else score.rank if by_free else score.r for score in result.scores], float)
    best = int(np.argmin(values))
    excess = (values - values[best]) / max(float(values[best]), np.finfo(np.float32).tiny)
    error = FREE_SCORE_ERRORS * standard_error(int(held.sum())) if by_free else standard_error(int((seen & ~held).sum()))
    weights = np.exp(-excess / error)
    weights[weights < LEAST_WEIGHT * weights.sum()] = 0
    mean = weights[best] * result.estimates[best].astype(np.complex64)
    for k in np.flatnonzero(weights):
        if k == best:
            continue
        one = align(result.estimates[k], result.estimates[best])
        if one.correlation < least:
            weights[k] = 0
        mean += weights[k] * one.object
    return (mean / weights.sum()).astype(np.complex64), weights / weights.sum()


def scatter_and_filter(
    estimates: Stack, keep: int, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.complex64], NDArray[np.intp], float]:
    """Keep the `keep` usable starts of the highest `mean_to_max`, align them to the best and take their common mode.

    Returns the mode (*shape), the kept indices from the best down, and the mode's share of the energy.
    Raises InputError unless 1 <= keep <= the number of usable starts.
    """
    good = np.flatnonzero(usable)
    if not 1 <= keep <= len(good):
        raise InputError(f"keep={keep} is out of range; give 1 to {len(good)}, the number of usable starts")
    merit = np.array([mean_to_max(estimates[i]) for i in good])
    kept = good[np.argsort(-merit, kind="stable")[:keep]]
    mode, fraction = common_mode(align_all(estimates[kept], 0))
    return mode, kept, fraction


def mean_to_max(x: ArrayLike) -> float:
    """Mean over maximum of |x| (*shape) on the pixels above 10 % of the maximum; 0 for an empty object.

    The nearer 1 the more homogeneous, and so the better as a rule, for a crystal of one material: the
    mean-to-maximum ratio by which cdiutils sorts starts (Atlan et al. 2023).
    """
    amplitude = np.abs(np.asarray(x))
    top = float(amplitude.max())
    return float(amplitude[amplitude > 0.1 * top].mean(dtype=float)) / top if top else 0.0
