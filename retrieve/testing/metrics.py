"""Checks of metrics: perfect on the truth, worse with noise, blind to what a pattern cannot tell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.metrics import Metric, truth_mask
from ..numerics.alignment import align, conjugate_inverse
from ..problem import Problem
from ..simulate import blobs
from .case import Checks, require

METRIC_TOLERANCE = 2e-3
"""Of values that should be equal, relative to their size or 1."""

Shape = tuple[int, ...]
TWO_AXES: Shape = (32, 28)
THREE_AXES: Shape = (14, 16, 12)

checks = Checks()


def _truth(shape: Shape) -> NDArray[np.complex128]:
    """Blobs, complex (*shape)."""
    return blobs(shape, seed=1, number=20, sigma=1.5)[0].astype(complex)


def _noisy(shape: Shape, share: float) -> NDArray[np.complex128]:
    """The truth with noise inside its support, `share` times its norm."""
    truth, rng = _truth(shape), np.random.default_rng(0)
    noise = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * (truth != 0)
    return truth + share * noise * np.linalg.norm(truth) / np.linalg.norm(noise)


def _arguments(metric: Metric, x: NDArray) -> tuple[Any, ...]:
    """The arguments that `retrieve.evaluate.metrics.evaluate` would hand to the metric for the estimate x."""
    truth = _truth(x.shape)
    if metric.needs == "data":
        return x, Problem.from_arrays(intensity=np.fft.fftshift(np.abs(np.fft.fftn(truth, norm="ortho")) ** 2))
    return align(x, truth, scale=True).object if x.any() else x, truth, truth_mask(truth)


def _value(metric: Metric, x: NDArray) -> float:
    return metric(*_arguments(metric, x))


@checks.add("name, formula and source")
def formula_and_source(metric: Metric) -> None:
    """It has a name, a formula and a source, for the reference and the tables."""
    for name in ("name", "formula", "source"):
        value = getattr(metric, name)
        require(isinstance(value, str) and value.strip(), f"{name} is {value!r}; give it in words")


@checks.add("a number in its range")
def in_range(metric: Metric, shape: Shape = TWO_AXES) -> None:
    """Perfect, noisy and unrelated estimates, and one of zeros, give a number in the range."""
    low, high = metric.range
    for estimate, x in (("the truth", _truth(shape)), ("noise", _noisy(shape, 5.0)), ("zeros", 0 * _truth(shape))):
        value = _value(metric, x)
        inside = not math.isnan(value) and low <= value <= high
        require(inside, f"an estimate of {estimate} gives {value}, outside {low:g} to {high:g}")


@checks.add("perfect on the truth", in_range)
def perfect(metric: Metric, shape: Shape = TWO_AXES) -> None:
    """The truth has the best value of the range, where that is finite."""
    best, value = metric.range[metric.direction == "higher"], _value(metric, _truth(shape))
    if math.isfinite(best):
        require(abs(value - best) < METRIC_TOLERANCE, f"the truth gives {value:.4g}, the best of its range is {best:g}")


@checks.add("worse with noise", in_range)
def worse_with_noise(metric: Metric, shape: Shape = TWO_AXES) -> None:
    """A tenth of noise, and as much noise as object, are each worse than before, in the stated direction."""
    sign = 1 if metric.direction == "lower" else -1
    values = [_value(metric, _noisy(shape, share)) for share in (0, 0.1, 1.0)]
    shown = " → ".join(f"{value:.4g}" for value in values)
    require(
        sign * values[0] < sign * values[1] < sign * values[2],
        f"with noise of 0, 0.1 and 1 it goes {shown}, though {metric.direction} is said to be better",
    )


@checks.add("blind to phase, place and twin", in_range)
def blind(metric: Metric, shape: Shape = TWO_AXES) -> None:
    """A global phase, a whole shift and the twin, which no pattern can tell, change nothing."""
    x = _noisy(shape, 0.1)
    plain = _value(metric, x)
    shift = (3, -5, 2)[: x.ndim]
    disguises = {
        "a phase": x * np.exp(2.1j),
        "a shift": np.roll(x, shift, tuple(range(x.ndim))),
        "the twin": conjugate_inverse(x),
    }
    for name, other in disguises.items():
        value = _value(metric, other)
        same = abs(value - plain) <= METRIC_TOLERANCE * max(1.0, abs(plain))
        require(same, f"{name} changes it from {plain:.4g} to {value:.4g}")


@checks.add("repeats, and leaves its arguments alone", in_range)
def repeats_without_writing(metric: Metric) -> None:
    """The same arguments give the same value, and stay as they were."""
    given = _arguments(metric, _noisy(TWO_AXES, 0.1))
    arrays = [a.amplitude if isinstance(a, Problem) else a for a in given]
    before = [a.copy() for a in arrays]
    one, other = metric(*given), metric(*given)
    require(one == other, f"two calls with the same arguments give {one} and {other}")
    require(all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True)), "it writes into its arguments")


@checks.add("three axes")
def in_three_axes(metric: Metric) -> None:
    """The same holds in 3D."""
    for one in (in_range, perfect, worse_with_noise, blind):
        one.function(metric, THREE_AXES)
