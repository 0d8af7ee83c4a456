"""The deviance per pixel by spatial frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..io.result import Result
from ..numerics.arrays import like, to_numpy
from ..numerics.grids import shell_index
from ..problem.scoring import deviances, known_noise
from .panels import ChartCurve, CurvePanel, spans_decades

MIN_SHELL_PIXELS = 8
"""Pixels of a set from which a shell has a deviance per pixel."""


def deviance_panel(result: Result) -> CurvePanel | None:
    """The deviance per pixel of the object by shells of |q|, on fitted and on held-out pixels; None if the noise is not known."""
    held = None if result.held is None else np.fft.ifftshift(result.held)
    found = deviance_by_shell(result, held)
    if found is None:
        return None
    frequency, fitted, left = found
    curves = [ChartCurve(0, frequency, fitted, "fitted pixels")]
    if held is not None:
        curves.append(ChartCurve(1, frequency, left, "held-out pixels", dashed=True, marks=True))
    curves.append(ChartCurve(2, frequency[[0, -1]], np.ones(2), "noise explains the misfit", dashed=True, pale=True))
    return CurvePanel(
        "deviance per pixel",
        curves,
        "spatial frequency (1/px)",
        "deviance / expected deviance",
        "deviance per pixel by spatial frequency, on fitted and on held-out pixels",
        "1: noise explains the misfit. A fit of many unknowns lowers it on the pixels that it saw.",
        log=spans_decades([fitted, left]),
        wide=True,
    )


def deviance_by_shell(result: Result, held: NDArray[np.bool_] | None) -> tuple[NDArray, NDArray, NDArray] | None:
    """Spatial frequencies (shells,), 1/px, and Σ deviance/Σ expected deviance there, on fitted and on held-out pixels.

    held: bool (*detector), zero frequency first.  A shell of less than `MIN_SHELL_PIXELS` has NaN.
    """
    problem = result.problem
    shape = tuple(problem.amplitude.shape)
    shells = min(shape) // 2 + 1
    shell = np.minimum(shell_index(shape), shells)
    valid = to_numpy(problem.valid)
    number = np.where(valid, shell if held is None else shell + (shells + 1) * held, 2 * (shells + 1))
    sums = np.zeros((3, 2 * (shells + 1) + 1))
    x = np.nan_to_num(np.asarray(result.object, np.complex64))[None]
    for at, *values in deviances(problem, problem.operator.forward(like(x, problem.amplitude)), known_noise(problem)):
        of = number[at].ravel()
        for total, weights in zip(sums, (*(to_numpy(v)[0].ravel() for v in values), None), strict=True):
            total += np.bincount(of, weights, len(total))
    if not sums[2].any():
        return None
    misfit, expected, pixels = sums[:, :-1].reshape(3, 2, shells + 1)[:, :, :shells]
    ratio = np.divide(misfit, expected, out=np.full_like(misfit, np.nan), where=(expected > 0) & (pixels >= MIN_SHELL_PIXELS))
    return np.arange(shells) / min(shape), ratio[0], ratio[1]
