"""Checks of metrics: perfect on the truth, worse with noise, blind to what a pattern cannot tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.metrics import Metric, truth_mask
from ..numerics.alignment import align, conjugate_inverse
from ..problem import Problem
from ..simulate import blobs
from .trial import Check, check, require

METRIC_TOLERANCE = 2e-3
"""Of values that should be equal, relative to their size or 1."""


@dataclass(frozen=True)
class Case:
    """A metric under test."""

    subject: Metric
    shape: tuple[int, ...] = (32, 28)

    @cached_property
    def truth(self) -> NDArray[np.complex128]:
        """Blobs, complex (*shape)."""
        return blobs(self.shape, seed=1, number=20, sigma=1.5)[0].astype(complex)

    @cached_property
    def problem(self) -> Problem:
        """The truth's pattern without noise."""
        return Problem.from_arrays(intensity=np.fft.fftshift(np.abs(np.fft.fftn(self.truth, norm="ortho")) ** 2))

    def noisy(self, share: float) -> NDArray[np.complex128]:
        """The truth with so much noise inside its support, relative."""
        rng = np.random.default_rng(0)
        noise = (rng.normal(size=self.shape) + 1j * rng.normal(size=self.shape)) * (self.truth != 0)
        return self.truth + share * noise * np.linalg.norm(self.truth) / np.linalg.norm(noise)

    def arguments(self, x: NDArray) -> tuple[Any, ...]:
        """What `retrieve.evaluate.metrics.evaluate` would hand to the metric for the estimate x."""
        if self.subject.needs == "data":
            return x, self.problem
        aligned = align(x, self.truth, scale=True).object if x.any() else x
        return aligned, self.truth, truth_mask(self.truth)

    def value(self, x: NDArray) -> float:
        """The metric of the estimate x."""
        return self.subject(*self.arguments(x))

    @property
    def best(self) -> float:
        """The better end of its range."""
        return self.subject.range[self.subject.direction == "higher"]


@check("name, formula and source")
def named(case: Case) -> None:
    """It tells what it is, for the reference and the tables."""
    for name in ("name", "formula", "source"):
        value = getattr(case.subject, name)
        require(isinstance(value, str) and value.strip(), f"{name} is {value!r}; give it in words")


@check("a number in its range")
def in_range(case: Case) -> None:
    """Perfect, noisy and unrelated estimates, and one of zeros, give a number in the range."""
    low, high = case.subject.range
    for what, x in (("the truth", case.truth), ("noise", case.noisy(5.0)), ("zeros", np.zeros_like(case.truth))):
        value = case.value(x)
        require(
            not math.isnan(value) and low <= value <= high, f"an estimate of {what} gives {value}, outside {low:g} to {high:g}"
        )


@check("perfect on the truth", in_range)
def perfect(case: Case) -> None:
    """The truth has the best value of the range, where that is finite."""
    value = case.value(case.truth)
    if math.isfinite(case.best):
        require(abs(value - case.best) < METRIC_TOLERANCE, f"the truth gives {value:.4g}, the best of its range is {case.best:g}")


@check("worse with noise", in_range)
def worse_with_noise(case: Case) -> None:
    """A tenth of noise, and as much noise as object, are each worse than before, in the stated direction."""
    sign = 1 if case.subject.direction == "lower" else -1
    values = [case.value(case.noisy(share)) for share in (0, 0.1, 1.0)]
    told = " → ".join(f"{value:.4g}" for value in values)
    require(
        sign * values[0] < sign * values[1] < sign * values[2],
        f"with noise of 0, 0.1 and 1 it goes {told}, though {case.subject.direction} is said to be better",
    )


@check("blind to phase, place and twin", in_range)
def blind(case: Case) -> None:
    """What a pattern cannot tell, global phase, whole shifts and the twin, changes nothing."""
    x = case.noisy(0.1)
    plain = case.value(x)
    shifts = (3, -5, 2)[: x.ndim]
    disguises = {
        "a phase": x * np.exp(2.1j),
        "a shift": np.roll(x, shifts, tuple(range(x.ndim))),
        "the twin": conjugate_inverse(x),
    }
    for name, other in disguises.items():
        value = case.value(other)
        require(
            abs(value - plain) <= METRIC_TOLERANCE * max(1.0, abs(plain)), f"{name} changes it from {plain:.4g} to {value:.4g}"
        )


@check("repeats, and leaves its arguments alone", in_range)
def repeats(case: Case) -> None:
    """The same arguments give the same value, and are what they were."""
    given = case.arguments(case.noisy(0.1))
    arrays = [a for a in (*given, case.problem.amplitude) if isinstance(a, np.ndarray)]
    before = [a.copy() for a in arrays]
    one, other = case.subject(*given), case.subject(*given)
    require(one == other, f"two calls with the same arguments give {one} and {other}")
    require(all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True)), "it writes into its arguments")


@check("three axes")
def three_axes(case: Case) -> None:
    """The same holds in 3D."""
    solid = Case(case.subject, (14, 16, 12))
    for one in (in_range, perfect, worse_with_noise, blind):
        one.function(solid)


CHECKS: tuple[Check, ...] = (named, in_range, perfect, worse_with_noise, blind, repeats, three_axes)


def label(subject: Any) -> str:
    """What a metric is called in reports."""
    return f"metric {subject.name}"
