"""The noise of a measurement, as far as the data and what is known of them tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .likelihood import COUNTING_SIGMA, Gaussian, Likelihood, Poisson

MAX_WHOLE = 1e4  # above it, the square of a float32 amplitude is a whole number or not by rounding
SQUARE_TOLERANCE = 5e-3  # what rounding may make of a whole number below MAX_WHOLE that was kept as a float32 amplitude
MIN_DECIDING = 16  # values that must decide whether all are whole numbers
MOSTLY_WHOLE = 0.9  # share of whole numbers among counts; gaps inside a bin leave some that are not
MAX_LOOKED_AT = 1 << 22  # pixels that tell counts from other numbers
CUT_ZEROS = 0.01  # share of zeros from which a pattern without a single count of 1 was cut


def stated_noise(likelihood: Likelihood, y: NDArray[np.floating]) -> Likelihood | None:
    """The likelihood of measured amplitudes y (pixels,); for the default σ = ½ that of counts, None where they are none."""
    if type(likelihood) is not Gaussian or likelihood.sigma != COUNTING_SIGMA:
        return likelihood
    return Poisson() if whole_share(_some(y) ** 2, SQUARE_TOLERANCE) >= MOSTLY_WHOLE else None


def is_described(meta: Mapping[str, Any]) -> bool:
    """Whether a likelihood describes the noise of a simulation: neither no noise, nor counts with noise on their square root."""
    noise = meta.get("noise")
    return not (isinstance(noise, Mapping) and (noise.get("sigma") == 0) == (noise.get("photons", 0) is None))


def is_cut(noise: Poisson, y: NDArray[np.floating]) -> bool:
    """Whether counts of amplitudes y (pixels,) were cut to zero below a threshold: there are zeros, and nowhere is one count."""
    counts = noise.scale * _some(y) ** 2
    return bool(np.mean(counts == 0) > CUT_ZEROS and counts[counts > 0].min(initial=np.inf) > 1.5)


def _some(values: NDArray) -> NDArray:
    """The values (pixels,), of very many an even share."""
    return values[:: max(1, values.size // MAX_LOOKED_AT)]


def whole_numbers(values: NDArray[Any], tolerance: float = 0.0) -> bool:
    """Whether the values are whole numbers, as counts are. Zeros and values above `MAX_WHOLE` do not decide."""
    return values.dtype.kind in "iu" or whole_share(values, tolerance) == 1


def whole_share(values: NDArray[Any], tolerance: float = 0.0) -> float:
    """The share of whole numbers among the values that decide, 0 if there are fewer than `MIN_DECIDING`."""
    deciding = values[np.isfinite(values) & (values > 0) & (values < MAX_WHOLE)]
    return float(np.mean(np.abs(deciding - np.rint(deciding)) <= tolerance)) if deciding.size >= MIN_DECIDING else 0.0
