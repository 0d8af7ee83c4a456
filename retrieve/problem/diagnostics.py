"""Facts and warnings about a measurement, before phasing."""

from __future__ import annotations

import numpy as np

from ..numerics.arrays import to_numpy
from .hot_pixels import hot_pixels, hot_warning, steady_pixels
from .problem import Problem


def facts(problem: Problem) -> dict[str, str]:
    """Describe a problem: shape, counts, masked share, dynamic range and oversampling, in words by name."""
    y, valid = to_numpy(problem.amplitude), to_numpy(problem.valid)
    intensity = y[valid].astype(np.float64) ** 2
    positive = intensity[intensity > 0]
    size = problem.extent
    guessed = "" if problem.support is not None else "  (half the autocorrelation)"
    return {
        "shape": " × ".join(map(str, y.shape)),
        "total intensity": f"{intensity.sum():.4g}",
        "largest intensity": f"{intensity.max():.4g}",
        "smallest above zero": f"{positive.min():.4g}",
        "pixels at zero": f"{1 - len(positive) / len(intensity):.1%} of the measured",
        "unmeasured": f"{1 - valid.mean():.2%}",
        "object extent (pixels)": " × ".join(f"{e:.1f}" for e in size) + guessed,
        "oversampling": " × ".join(f"{n / e:.2f}" for n, e in zip(y.shape, size, strict=True)),
        "support": "none" if problem.support is None else f"{to_numpy(problem.support).mean():.1%} of the array",
        "truth": "none" if problem.truth is None else "in the file",
    }


def diagnose(problem: Problem) -> list[str]:
    """List faults that may spoil the phasing, each with its remedy."""
    y, valid = to_numpy(problem.amplitude), to_numpy(problem.valid)
    found = []
    for axis, (n, e) in enumerate(zip(y.shape, problem.extent, strict=True)):
        if n / e < 2:
            found.append(f"axis {axis} is oversampled only {n / e:.2f} times; below 2 the pattern does not determine the object")
    top = y[valid].max()
    saturated = int((y[valid] == top).sum())
    if saturated > 3:
        found.append(f"{saturated} pixels share the largest intensity {top**2:.4g}: saturated? mask them")
    if hot := hot_pixels(problem):
        found.append(hot_warning(hot))
    if steady := steady_pixels(problem):
        some = ", ".join(map(str, steady[:3])) + f" and {len(steady) - 3} more" * (len(steady) > 3)
        found.append(f"bright in every frame (row, column): {some}; hot? mask them")
    if not valid[(0,) * y.ndim]:
        found.append("the centre of the pattern is unmeasured; the lowest frequencies come from the support alone")
    dark = []
    for axis in range(y.ndim):
        others = tuple(a for a in range(y.ndim) if a != axis)
        if (valid.any(axis=others) & ~(y * valid).any(axis=others)).mean() > 0.05:
            dark.append(axis)
    if dark:
        found.append(f"axis {', '.join(map(str, dark))} has rows or planes of zeros alone: detector edge? mask them")
    if (1 - valid.mean()) > 0.2:
        found.append(f"{1 - valid.mean():.0%} of the pixels are unmeasured")
    return found
