"""Simulated measurements: counting and readout noise, missing pixels, partial coherence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.fft as fft
from numpy.typing import NDArray

from ..errors import InputError
from ..numerics.grids import pixels
from ..operators import PartialCoherence
from ..plugins.options import option, validate, values_of
from ..problem import Problem
from ..problem.likelihood import Gaussian
from .seeds import NOISE_STREAM, stream

NOISELESS_SIGMA = 1e-3
"""Standard deviation that the likelihood of a noiseless amplitude is given, as a share of its maximum."""


@dataclass(frozen=True)
class Noise:
    """The imperfections of a measurement; by default none.

    In order: the intensity is blurred (`coherence`) and counted (`photons`), its amplitude gets noise (`sigma`), and pixels
    are lost. In 3D the detector spans the last two axes; gaps and dead pixels are the same in all frames.
    """

    sigma: float = option(
        0.0,
        "Gaussian noise of the amplitude as a share of its maximum, then clipped at zero",
        ge=0,
        le=1,
        source="Lee et al. 2026, section 5.1",
    )
    photons: float | None = option(None, "photons expected in the whole pattern, drawn as Poisson counts", ge=1, le=1e15)
    coherence: float = option(0.0, "standard deviation of the Gaussian that blurs the intensity (px)", ge=0)
    beam_stop: float = option(0.0, "radius of the beam stop over the middle of the pattern (px)", ge=0)
    gaps: int = option(0, "gaps at random places across the detector, along its two axes in turn", ge=0)
    gap_width: int = option(3, "width of a gap (px)", ge=1)
    dead: float = option(0.0, "share of dead pixels", ge=0, lt=1)
    support: str = option("known", "whether the problem tells the object's support", choices=("known", "unknown"))

    def __post_init__(self) -> None:
        validate(self)


class Exposure(NamedTuple):
    """One measurement: `amplitude` and `valid` (*shape), centred; the noise's σ; the object's factor."""

    amplitude: NDArray[np.float64]
    valid: NDArray[np.bool_]
    sigma: float
    scale: float


def expose(x: NDArray, noise: Noise, rng: np.random.Generator) -> Exposure:
    """Measure an object (*shape).

    `scale` · x is the object in the amplitude's units; with photons, Σ|scale · x|² is their expected number. `sigma` is the
    known noise of the amplitude: the Gaussian part, and ½ for counts (Anscombe 1948). A noiseless pattern has
    `NOISELESS_SIGMA` of its maximum. Raises `InputError` for an object without signal, and if no signal is left.
    """
    valid = _valid(x.shape, noise, rng)  # drawn first, so that the same pixels are lost at every noise
    expected = _intensity(x)
    scale = 1.0
    if noise.photons is not None:
        scale = np.sqrt(_gain(expected, noise.photons))
        expected *= scale**2
    if noise.coherence > 0:
        expected = PartialCoherence.gaussian(x.shape, noise.coherence).forward(expected[None])[0]
    expected = np.maximum(expected, 0)
    top = float(np.sqrt(expected.max()))
    amplitude = np.sqrt(expected if noise.photons is None else rng.poisson(expected))
    if noise.sigma > 0:
        amplitude = np.maximum(amplitude + noise.sigma * top * rng.normal(size=x.shape), 0)
    if not amplitude[valid].any():
        raise InputError(f"nothing was measured on the {valid.sum()} pixels left by {noise}; give more photons or mask less")
    sigma = float(np.hypot(noise.sigma * top, 0 if noise.photons is None else 0.5)) or NOISELESS_SIGMA * top
    return Exposure(amplitude, valid, sigma, float(scale))


def simulated_problem(
    x: NDArray,
    support: NDArray | None = None,
    noise: Noise | None = None,
    *,
    seed: int,
    number: int = 0,
    meta: Mapping[str, Any] | None = None,
) -> Problem:
    """Measure an object once, and make the problem of finding it again.

    Parameters
    ----------
    x : complex (*shape)
        The object. The problem holds it as its truth, in the units of the amplitude.
    support : bool (*shape)
        Its support.
    noise
        The imperfections. The problem's likelihood is Gaussian with their known σ.
    seed, number
        Those of the object. Its noise comes from another stream of the same key.
    meta
        Added to the problem's meta, beside seed, object and noise.

    Raises
    ------
    InputError
        For an object without signal, and if no signal is left.
    """
    noise = noise or Noise()
    made = expose(x, noise, stream(seed, number, NOISE_STREAM))
    return Problem.from_arrays(
        amplitude=made.amplitude,
        mask=made.valid,
        support=support if noise.support == "known" else None,
        truth=x * np.float32(made.scale),
        likelihood=Gaussian(sigma=made.sigma),
        meta={"source": "simulated", **(meta or {}), "seed": seed, "object": number, "noise": values_of(noise)},
    )


def measure(x: NDArray, *, photons: float | None = None, seed: int = 0) -> NDArray[np.float32]:
    """Compute the centred far-field intensity of an object.

    Parameters
    ----------
    x : complex (*shape)
        The object.
    photons
        Expected photons in the whole pattern, drawn as Poisson counts. None gives |F x|² (orthonormal) without noise.
    seed
        Seed of the counts.

    Returns
    -------
    float32 (*shape)
        The intensity.

    Raises
    ------
    InputError
        For an object without signal.
    """
    intensity = _intensity(x)
    if photons is None:
        return intensity.astype(np.float32)
    return np.random.default_rng(seed).poisson(intensity * _gain(intensity, photons)).astype(np.float32)


def beam_stop(shape: Sequence[int], radius: float) -> NDArray[np.bool_]:
    """The mask, bool (*shape), False under a beam stop of `radius` px over the centred pattern's peak."""
    return np.sum(pixels(tuple(shape)) ** 2, axis=0) > radius**2


def _intensity(x: NDArray) -> NDArray[np.float64]:
    """|F x|², orthonormal, centred."""
    return np.abs(fft.fftshift(fft.fftn(x.astype(np.complex128), norm="ortho"))) ** 2


def _gain(intensity: NDArray, photons: float) -> float:
    """Photons per unit of intensity."""
    total = float(intensity.sum())
    if not total > 0 or not photons > 0:
        raise InputError(f"photons={photons} on an object of power {total:g}; both must be above 0")
    return photons / total


def _valid(shape: tuple[int, ...], noise: Noise, rng: np.random.Generator) -> NDArray[np.bool_]:
    """True where measured, (*shape)."""
    detector = shape[-2:]
    if noise.gaps and noise.gap_width >= min(detector):
        raise InputError(f"gap_width={noise.gap_width} covers a detector of {detector} pixels; give a smaller one")
    seen = rng.random(detector) >= noise.dead
    for k in range(noise.gaps):
        start = rng.integers(detector[k % 2] - noise.gap_width + 1)
        np.moveaxis(seen, k % 2, 0)[start : start + noise.gap_width] = False
    stopped = beam_stop(shape, noise.beam_stop) if noise.beam_stop > 0 else True
    return np.broadcast_to(seen, shape) & stopped
