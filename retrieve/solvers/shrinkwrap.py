"""Shrink-wrap: the support follows the object. Source: Marchesini et al., PRB 68, 140101 (2003)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from scipy import ndimage

from ..numerics.arrays import TINY, Array, convolve, like, namespace, to_numpy
from ..plugins.options import option, validate


@dataclass(frozen=True)
class ShrinkWrap:
    """Update the support from the object: blur |x| to g and keep the pixels above a threshold.

    The blur's σ falls geometrically from `sigma` to `sigma_end` over the run. The threshold is relative to the maximum, to the
    rms inside the support, or to the bright pixels' level √(Σg⁴/Σg²), which neither a peak nor the support so far moves much.
    With `area` it is the one that leaves that share of the array. An update counts as one transform of each start, for the
    blur of its real numbers (`Operator.spend`).
    """

    when: str = option("auto", "auto: only where the data file gives no support", choices=("auto", "always", "never"))
    every: int = option(10, "iterations between updates", ge=1)
    sigma: float = option(2.0, "standard deviation of the blur at the start, pixels", ge=0)
    sigma_end: float = option(1.0, "standard deviation of the blur at the end, pixels", ge=0)
    threshold: float = option(0.1, "threshold as a share of the reference", gt=0, lt=1)
    reference: str = option("max", "what the threshold is relative to", choices=("max", "rms", "bright"))
    area: float | None = option(None, "target share of the array at the end, in place of the threshold", gt=0, le=0.5)
    area_start: float | None = option(None, "target share of the array at the start; the end's where not given", gt=0, le=1)
    most: float | None = option(None, "largest share of the array that a threshold may leave", gt=0, le=1)
    limit: float | None = option(None, "largest relative change of the support's size in one update", gt=0)
    parts: int | None = option(None, "keep only so many largest connected parts", ge=1)
    fill: bool = option(False, "fill the holes of the support")

    def __post_init__(self) -> None:
        validate(self)

    def update(self, x: Array, support: Array, t: float) -> Array:
        """Return the support after an update.

        Parameters
        ----------
        x : Array
            The object (batch, *shape).
        support : Array
            bool (batch or 1, *shape), the support so far. An update that would leave no pixel keeps it.
        t : float
            Share of the run, 0 to 1.

        Returns
        -------
        Array
            bool (batch, *shape).
        """
        xp = namespace(x)
        axes = tuple(range(1, x.ndim))
        fall = (self.sigma_end / self.sigma) ** t if self.sigma and self.sigma_end else 1 - t
        a = blur(xp.abs(x), self.sigma * fall, spent=True)
        if self.area is not None:
            first = self.area if self.area_start is None else self.area_start
            size = first * (self.area / first) ** min(1.0, 2 * t) * math.prod(a.shape[1:])
            new = _largest(a, xp.full((a.shape[0],), size, dtype=a.dtype, device=a.device))
        else:
            reference = xp.max(a, axis=axes, keepdims=True)
            if self.reference == "rms":
                inside = xp.astype(support, a.dtype)
                count = xp.sum(inside, axis=axes, keepdims=True)
                reference = xp.sqrt(xp.sum(inside * a * a, axis=axes, keepdims=True) / count)
            if self.reference == "bright":
                squared = (a / (reference + TINY)) ** 2
                fourth = xp.sum(squared * squared, axis=axes, keepdims=True)
                reference = reference * xp.sqrt(fourth / (xp.sum(squared, axis=axes, keepdims=True) + TINY))
            new = a > self.threshold * reference
            if self.most is not None:
                size = xp.sum(xp.astype(new, a.dtype), axis=axes)
                largest = self.most * math.prod(a.shape[1:])
                if bool(xp.any(size > largest)):
                    new = new & _largest(a, xp.full((a.shape[0],), largest, dtype=a.dtype, device=a.device))
        if self.limit is not None:
            was = xp.sum(xp.astype(support, a.dtype), axis=axes) + xp.zeros((a.shape[0],), dtype=a.dtype, device=a.device)
            size = xp.sum(xp.astype(new, a.dtype), axis=axes)
            allowed = xp.clip(size, min=was * max(0.0, 1 - self.limit), max=was * (1 + self.limit))
            new = new if bool(xp.all(size == allowed)) else _largest(a, allowed)
        if self.parts is not None or self.fill:
            new = _on_host(self._tidy, new)
        return xp.where(xp.any(new, axis=axes, keepdims=True), new, support)

    def _tidy(self, inside: np.ndarray) -> np.ndarray:
        """Keep the largest connected parts and fill holes, for one bool array (*shape)."""
        if self.parts is not None:
            labels, count = ndimage.label(inside)
            if count > self.parts:
                sizes = np.bincount(labels.ravel())[1:]
                inside = np.isin(labels, 1 + np.argsort(sizes)[::-1][: self.parts])
        return ndimage.binary_fill_holes(inside) if self.fill else inside


def blur(a: Array, sigma: float, spent: bool = False) -> Array:
    """`a` (batch, *shape) convolved periodically with a Gaussian of `sigma` pixels; `spent`: its memory may be reused."""
    if sigma <= 0:
        return a
    first, transfer = _gaussian(tuple(a.shape[1:]), sigma, namespace(a).isdtype(a.dtype, "real floating"))
    return convolve(a, like(transfer, a), first, a if spent else None)


@lru_cache(maxsize=4)
def _gaussian(shape: tuple[int, ...], sigma: float, half: bool) -> tuple[np.ndarray, np.ndarray]:
    """The float32 spectrum of a Gaussian along the first axis, and over the others (1, *rest); the half of a real array's."""
    ends = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1]) if half else np.fft.fftfreq(shape[-1])]
    first, *lines = (np.exp(-2 * (math.pi * sigma * q) ** 2).astype(np.float32) for q in ends)
    return first, reduce(np.multiply.outer, lines)[None]


def _largest(a: Array, size: Array) -> Array:
    """The `size` (batch,) largest pixels of each a (batch, *shape)."""
    xp = namespace(a)
    flat = xp.sort(xp.reshape(a, (a.shape[0], -1)), axis=1)
    n = flat.shape[1]
    place = xp.clip(xp.astype(n - xp.round(size), xp.int64), min=0, max=n - 1)
    level = xp.take_along_axis(flat, place[:, None], axis=1)
    return a >= xp.reshape(level, (-1, *[1] * (a.ndim - 1)))


def _on_host(each: Callable[[np.ndarray], np.ndarray], inside: Array) -> Array:
    return like(np.stack([each(one) for one in to_numpy(inside)]), inside)
