"""Models of the noise.

A likelihood gives the negative log-likelihood of an expected intensity P and its derivative, pixel by pixel.
Its constant is chosen so that a perfect fit gives zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..numerics.arrays import TINY, Array, namespace
from ..plugins.options import build, option, validate, values_of
from ..plugins.registry import import_from_plugin


@dataclass(frozen=True)
class Likelihood(ABC):
    """Noise of the measured amplitude y = √I, given the expected intensity P.

    The methods take arrays of one shape and return an array of that shape.
    """

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

    def total(self, p: Array, y: Array, valid: Array) -> Array:
        """Σ −log L over the valid pixels, one value for each element of the batch p (batch, *shape)."""
        xp = namespace(p)
        nll = self.nll(xp.clip(p, min=0), xp.where(valid, y, xp.zeros_like(y)))
        return xp.sum(xp.where(valid, nll, xp.zeros_like(nll)), axis=tuple(range(1, p.ndim)))

    def record(self) -> dict[str, Any]:
        """The name, the module of a plugin's one, and the options, for a file; `stored_likelihood` reads them back."""
        module = type(self).__module__
        place = {} if module.startswith("retrieve.") else {"module": module}
        return {"name": type(self).__name__.lower(), **place, **values_of(self)}


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

    sigma: float = option(0.5, "standard deviation of the amplitude noise, in the units of √I", gt=0)

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

    def scaled(self, factor: float) -> Poisson:
        """s/factor²."""
        return Poisson(self.scale / factor**2)


LIKELIHOODS: Mapping[str, type[Likelihood]] = {"gaussian": Gaussian, "poisson": Poisson}


def stored_likelihood(record: Any) -> Likelihood | None:
    """The likelihood of a `Likelihood.record`, also one that a plugin defines; None for anything else."""
    if not isinstance(record, Mapping) or "name" not in record:
        return None
    values = {name: value for name, value in record.items() if name not in ("name", "module")}
    module = record.get("module")
    if module is not None:
        import_from_plugin(module)
    for kind in _kinds(Likelihood):
        if kind.__name__.lower() == record["name"] and module in (None, kind.__module__):
            made: Likelihood = build(kind, values)
            return made
    return None


def _kinds(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return [found for child in children for found in (child, *_kinds(child))]
