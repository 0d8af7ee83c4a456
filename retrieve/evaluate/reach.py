"""How far in spatial frequency the data say something: the signal of each shell against what noise and a threshold hide."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.arrays import to_numpy
from ..numerics.grids import shell_index, sums_over
from ..problem import Problem
from ..problem.survey import cut_level


class Reach(NamedTuple):
    """What the measured pixels of each shell hold, and where the data end.

    frequency: (shells,), 1/px, from 0.  signal: (shells,), the mean measured intensity, NaN where nothing was measured.
    hidden: (shells,), the mean intensity that noise and a threshold can hide.  zeros: (shells,), the share of pixels that a
    threshold cut to zero.  threshold: the lowest intensity above it, 0 for data that were not cut.
    weak: bool (shells,), where the signal is below what is hidden, or the data have ended.  end: the first shell from which on
    most are weak, None if the data go on to the last one.  pixels: bool (*shape), measured and not cut to zero.
    """

    frequency: NDArray[np.float64]
    signal: NDArray[np.float64]
    hidden: NDArray[np.float64]
    zeros: NDArray[np.float64]
    threshold: float
    weak: NDArray[np.bool_]
    end: int | None
    pixels: NDArray[np.bool_]

    def describe(self, first: int) -> str:
        """The signal from shell `first` on, and what hides it, in words."""
        known = np.isfinite(self.signal[first:])
        signal, hidden, zeros = (float(x[first:][known].mean()) for x in (self.signal, self.hidden, self.zeros))
        cut = f"noise and the threshold below {self.threshold:.3g} ({zeros:.0%} zeros) hide"
        hides = cut if self.threshold else "noise hides"
        return f"a measured pixel holds {signal:.2g} on average, and {hides} up to {hidden:.2g}"


def reach_of(problem: Problem, misfit: NDArray | None = None) -> Reach:
    """How far the data of a problem reach.

    A shell says something where its mean intensity is at least 2σ², a signal as strong as the noise: half a count a pixel. In
    data that were cut below a threshold T, a zero hides up to T, not a measured 0.

    Parameters
    ----------
    problem : Problem
        The data.
    misfit : float (*shape), optional
        (√P − √I)² of estimates. Noise is no larger than what they miss: data without noise, whose noise nobody stated, say
        something at any intensity.

    Returns
    -------
    Reach
        By shells.
    """
    valid, intensity = to_numpy(problem.valid), to_numpy(problem.amplitude) ** 2
    frequency, by_shell = shells(valid.shape)
    pixels = by_shell(valid)
    noise = np.full(pixels.shape, _noise_power(problem))
    if misfit is not None:
        noise = np.fmin(noise, mean_of(by_shell(valid * misfit), pixels))
    threshold = cut_level(problem)
    if threshold <= 2 * np.median(noise):  # single counts that a flat field made 0.4 to 1.5 are no cut
        threshold = 0.0
    cut = valid & (intensity == 0) if threshold else np.zeros_like(valid)
    zeros = mean_of(by_shell(cut), pixels)
    signal = mean_of(by_shell(valid * intensity), pixels)
    hidden = 2 * noise * (1 - zeros) + threshold * zeros
    weak, known = signal < hidden, np.isfinite(signal)
    known[0] = weak[0] = False
    later = [i for i in np.flatnonzero(weak) if np.mean(weak[i:][known[i:]]) > 0.5]
    end = int(later[0]) if later else None
    if end is not None:
        weak[end:] = True
    return Reach(frequency, signal, hidden, zeros, threshold, weak, end, valid & ~cut)


def shells(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], Callable[[NDArray], NDArray]]:
    """The shells' frequencies (shells,) and what sums values (*shape), zero frequency at index 0, over each."""
    n = min(shape)
    index, count = shell_index(shape), n // 2 + 1
    return np.arange(count) / n, lambda values: sums_over(index, values, count)


def mean_of(total: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their quotient, NaN where `by` is not above 0."""
    return np.divide(total, by, out=np.full(total.shape, np.nan), where=by > 0)


def _noise_power(problem: Problem) -> float:
    """σ² of the amplitude: the likelihood's, ¼ of a count for counts, and no bound for a likelihood that states none."""
    sigma = problem.likelihood.amplitude_noise
    return np.inf if sigma is None else sigma**2
