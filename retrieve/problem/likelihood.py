"""Models of the noise.

A likelihood gives the negative log-likelihood of an expected intensity P and its derivative, pixel by pixel.
Its constant is chosen so that a perfect fit gives zero.

The deviance of a pixel is twice its −log L. Its expectation under a right model depends on P. A sum of deviances over the sum
of their expectations is therefore 1 for a right model, at few counts as at many.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..numerics.arrays import TINY, Array, namespace
from ..plugins.options import build, option, validate, values_of
from ..plugins.registry import find

MAX_WHOLE = 1e4  # above it, the square of a float32 amplitude is a whole number or not by rounding
SQUARE_TOLERANCE = 5e-3  # what rounding may make of a whole number below MAX_WHOLE that was kept as a float32 amplitude
MIN_DECIDING = 16  # values that must decide whether all are whole numbers
MOSTLY_WHOLE = 0.9  # share of whole numbers among counts; gaps inside a bin leave some that are not
MAX_LOOKED_AT = 1 << 16  # pixels that tell counts from other numbers
CUT_ZEROS = 0.01  # share of zeros from which a pattern without a single count of 1 was cut

COUNTING_SIGMA = 0.5
"""Standard deviation of the square root of counts (Anscombe 1948)."""


@dataclass(frozen=True)
class Likelihood(ABC):
    """Noise of the measured amplitude y = √I, given the expected intensity P.

    The methods take arrays of one shape and return an array of that shape. `name` is the registered name, which files keep.
    """

    name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def nll(self, p: Array, y: Array) -> Array:
        """−log L of each pixel, 0 where P = y²."""

    @abstractmethod
    def derivative(self, p: Array, y: Array) -> Array:
        """∂(−log L)/∂P of each pixel."""

    @abstractmethod
    def proximal(self, v: Array, y: Array, r: Array | float) -> Array:
        """The modulus R ≥ 0 that minimises −log L(R²) + (R − v)²/2r² in each pixel, in closed form."""

    @abstractmethod
    def scaled(self, factor: float) -> Likelihood:
        """The same noise for amplitudes y·factor."""

    @property
    def amplitude_noise(self) -> float | None:
        """The standard deviation of y: `sigma`, or ½/√`scale` for counts (Anscombe 1948); None where it has neither."""
        sigma, scale = getattr(self, "sigma", None), getattr(self, "scale", None)
        if sigma is not None:
            return float(sigma)
        return None if scale is None else COUNTING_SIGMA / math.sqrt(scale)

    def deviance(self, p: Array, y: Array) -> Array:
        """2·(−log L) of each pixel."""
        return 2 * self.nll(p, y)

    def expected_deviance(self, p: Array) -> Array | None:
        """The expectation of each pixel's deviance, if P is right; None where the likelihood does not know it."""
        return None

    def total(self, p: Array, y: Array, valid: Array) -> Array:
        """Σ −log L over the valid pixels, one value for each element of the batch p (batch, *shape)."""
        xp = namespace(p)
        nll = self.nll(xp.clip(p, min=0), xp.where(valid, y, xp.zeros_like(y)))
        return xp.sum(xp.where(valid, nll, xp.zeros_like(nll)), axis=tuple(range(1, p.ndim)))

    def record(self) -> dict[str, Any]:
        """The name and the options, for a file; `stored_likelihood` reads them back. No class inherits the name of another."""
        kind = type(self)
        return {"name": vars(kind).get("name") or kind.__name__.lower(), **values_of(self)}


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """Normal noise of standard deviation σ on the amplitude: (√P − y)²/2σ².

    Parameters
    ----------
    sigma
        Standard deviation, in the units of √I. Poisson counts have σ = ½ on their square root [1]_.

    References
    ----------
    .. [1] F. J. Anscombe, Biometrika 35, 246 (1948).
    """

    name: ClassVar[str] = "gaussian"
    sigma: float = option(COUNTING_SIGMA, "standard deviation of the amplitude noise, in the units of √I", gt=0)

    def nll(self, p: Array, y: Array) -> Array:
        """(√P − y)²/2σ²."""
        return (namespace(p).sqrt(p) - y) ** 2 * (0.5 / self.sigma**2)

    def derivative(self, p: Array, y: Array) -> Array:
        """(1 − y/√P)/2σ²."""
        return (1 - y / (namespace(p).sqrt(p) + TINY)) * (0.5 / self.sigma**2)

    def proximal(self, v: Array, y: Array, r: Array | float) -> Array:
        """(v/r² + y/σ²)/(1/r² + 1/σ²)."""
        share = r**2 / (r**2 + self.sigma**2)
        return v + share * (y - v)

    def expected_deviance(self, p: Array) -> Array:
        """1 + (t² − 1) Φ(−t) − t φ(t), t = √P/σ, for an amplitude that is clipped at zero: 1 for t ≫ 1, ½ for t = 0."""
        xp = namespace(p)
        t = xp.sqrt(p) / self.sigma
        density = xp.exp(-t * t / 2) / math.sqrt(2 * math.pi)
        return 1 + (t * t - 1) * _below(t, density) - t * density

    def scaled(self, factor: float) -> Gaussian:
        """σ·factor."""
        return Gaussian(self.sigma * factor)


@dataclass(frozen=True)
class Poisson(Likelihood):
    """Counting noise: k = s·y² counts where λ = s·P are expected; λ − k + k log(k/λ).

    Parameters
    ----------
    scale
        Counts s per unit of intensity.
    """

    name: ClassVar[str] = "poisson"
    scale: float = option(1.0, "counts per unit of intensity", gt=0)

    def nll(self, p: Array, y: Array) -> Array:
        """λ − k + k log(k/λ)."""
        xp = namespace(p)
        k, rate = self.scale * y * y, self.scale * p + TINY
        safe = xp.where(k > 0, k, xp.ones_like(k))
        return rate - k + k * xp.log(safe / rate)

    def derivative(self, p: Array, y: Array) -> Array:
        """s(1 − y²/P)."""
        return self.scale * (1 - y * y / (p + TINY))

    def proximal(self, v: Array, y: Array, r: Array | float) -> Array:
        """The positive root of R²(1/r² + 2s) − R v/r² − 2k = 0."""
        a, b = 1 / r**2 + 2 * self.scale, v / r**2
        return (b + namespace(v).sqrt(b * b + 8 * self.scale * y * y * a)) / (2 * a)

    def deviance(self, p: Array, y: Array) -> Array:
        """2λ ((1 + d) log(1 + d) − d), d = k/λ − 1: 2·(−log L) without its rounding at many counts."""
        xp = namespace(p)
        rate = self.scale * p + TINY
        d = (self.scale * y * y - rate) / rate
        some = y > 0
        return 2 * rate * xp.where(some, (1 + d) * xp.log1p(xp.where(some, d, xp.zeros_like(d))) - d, xp.ones_like(d))

    def expected_deviance(self, p: Array) -> Array:
        """2λ (E[log(1 + k)] − log λ), within 3·10⁻⁴ of its value: 2λ log(1/λ) for λ ≪ 1, 1 + 1/6λ for λ ≫ 1."""
        xp = namespace(p)
        rate = self.scale * p + TINY
        u = 1 / (1 + rate / MEAN_LOG_RATE)
        return 2 * rate * (xp.log1p(0.5 / rate) + u * u * _polynomial(MEAN_LOG, u))

    def scaled(self, factor: float) -> Poisson:
        """s/factor²."""
        return Poisson(self.scale / factor**2)


MEAN_LOG_RATE = 2.0
MEAN_LOG = (0.047003, 0.2986, -1.8889, 9.2504, -14.532, 10.05, -2.5318)
"""E[log(1 + k)] = log(λ + ½) + u² Σ cⱼ uʲ, u = 1/(1 + λ/2), for k counts of expectation λ: fitted to the sum over k."""

NORMAL_TAIL = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
NORMAL_TAIL_RATE = 0.3275911
"""Abramowitz & Stegun, Handbook of Mathematical Functions (1964), 7.1.26: erfc within 1.5·10⁻⁷."""


def _below(t: Array, density: Array) -> Array:
    """Φ(−t), the share of a normal distribution below −t ≤ 0; density: φ(t)."""
    u = 1 / (1 + NORMAL_TAIL_RATE / math.sqrt(2) * t)
    return math.sqrt(math.pi / 2) * density * u * _polynomial(NORMAL_TAIL, u)


def _polynomial(coefficients: Sequence[float], u: Array) -> Array:
    """Σ cⱼ uʲ."""
    value = namespace(u).zeros_like(u)
    for c in reversed(coefficients):
        value = value * u + c
    return value


def stored_likelihood(record: Any) -> Likelihood | None:
    """The likelihood of a `Likelihood.record`, by its registered name; None for anything else."""
    if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
        return None
    try:
        kind = find("likelihoods", record["name"])
    except InputError:
        return None
    made: Likelihood = build(kind, {name: value for name, value in record.items() if name not in ("name", "module")})
    return made


# the noise of a measurement, as far as the data and what is known of them tell --------------------


def stated_noise(likelihood: Likelihood, y: NDArray[np.floating]) -> Likelihood | None:
    """The likelihood of measured amplitudes y (pixels,); for the default σ = ½ that of counts, None where they are none."""
    if type(likelihood) is not Gaussian or likelihood.sigma != COUNTING_SIGMA:
        return likelihood
    return Poisson() if whole_share(y * y, SQUARE_TOLERANCE) >= MOSTLY_WHOLE else None


def is_described(meta: Mapping[str, Any]) -> bool:
    """Whether a likelihood describes the noise of a simulation: neither no noise, nor counts with noise on their square root."""
    noise = meta.get("noise")
    return not (isinstance(noise, Mapping) and (noise.get("sigma") == 0) == (noise.get("photons", 0) is None))


def is_cut(noise: Poisson, y: NDArray[np.floating]) -> bool:
    """Whether counts of amplitudes y (pixels,) were cut to zero below a threshold: there are zeros, and nowhere is one count."""
    counts = noise.scale * y * y
    return bool(np.mean(counts == 0) > CUT_ZEROS and counts[counts > 0].min(initial=np.inf) > 1.5)


def some_measured(y: NDArray, valid: NDArray[np.bool_]) -> NDArray:
    """Amplitudes (pixels,) of the valid pixels; of very many an even share."""
    step = max(1, y.size // MAX_LOOKED_AT) | 1  # odd: it meets every column
    return y.reshape(-1)[::step][valid.reshape(-1)[::step]]


def whole_numbers(values: NDArray[Any], tolerance: float = 0.0) -> bool:
    """Whether the values are whole numbers, as counts are. Zeros and values above `MAX_WHOLE` do not decide."""
    return values.dtype.kind in "iu" or whole_share(values, tolerance) == 1


def whole_share(values: NDArray[Any], tolerance: float = 0.0) -> float:
    """The share of whole numbers among the values that decide, 0 if there are fewer than `MIN_DECIDING`."""
    deciding = values[np.isfinite(values) & (values > 0) & (values < MAX_WHOLE)]
    return float(np.mean(np.abs(deciding - np.rint(deciding)) <= tolerance)) if deciding.size >= MIN_DECIDING else 0.0
