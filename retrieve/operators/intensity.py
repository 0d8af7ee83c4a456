"""Operators on the intensity, after the modulus is squared: detector binning and partial coherence.

They are linear maps of non-negative real arrays with zero frequency at index 0; a `Problem` holds one
as its `detector`, and the measured intensity is detector.forward(|A x|²).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..numerics.arrays import Array, Device, convolve, namespace, to_numpy
from .base import Operator


class Binning(Operator):
    """Detector pixels that each sum a block of `factor` finer samples of the intensity.

    With zero frequency at index 0 the block is centred as a binned, centred detector centres it:
    `in_shape` is a multiple of `factor` and the centre N//2 of both grids falls in the same block.
    """

    intensity = True

    def __init__(self, in_shape: tuple[int, ...], factor: int | Sequence[int]) -> None:
        self.factor = (factor,) * len(in_shape) if isinstance(factor, int) else tuple(factor)
        if len(self.factor) != len(in_shape) or any(f < 1 or n % f for n, f in zip(in_shape, self.factor, strict=False)):
            raise ValueError(f"binning by {self.factor} does not divide the shape {tuple(in_shape)}; pad or crop first")
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(n // f for n, f in zip(in_shape, self.factor, strict=True))
        self._blocks = tuple(k for pair in zip(self.out_shape, self.factor, strict=True) for k in pair)
        self._inner = tuple(range(2, 2 * len(in_shape) + 1, 2))
        # block k of the centred grid starts at k·f; moved so that the block holding N//2 comes first
        self._shift = tuple(n // 2 - (n // f // 2) * f for n, f in zip(in_shape, self.factor, strict=True))

    def forward(self, x: Array) -> Array:
        """Sum over each block."""
        xp = namespace(x)
        axes = tuple(range(1, x.ndim))
        x = xp.roll(x, self._shift, axis=axes)
        return xp.sum(xp.reshape(x, (x.shape[0], *self._blocks)), axis=self._inner)

    def adjoint(self, y: Array) -> Array:
        """Each pixel's value in all samples of its block."""
        xp = namespace(y)
        for axis, f in enumerate(self.factor, start=1):
            y = xp.repeat(y, f, axis=axis)
        return xp.roll(y, tuple(-s for s in self._shift), axis=tuple(range(1, y.ndim)))


class PartialCoherence(Operator):
    """The intensity convolved with a kernel of sum 1: the Fourier transform of the mutual coherence.

    kernel: real, non-negative, (*shape) or one for each of a batch, its centre at index 0.
    Source: Clark et al., Nat. Commun. 3, 993 (2012).
    """

    intensity = True
    transforms = 1

    def __init__(self, kernel: Any, shape: tuple[int, ...] | None = None) -> None:
        self.kernel = kernel
        self.in_shape = self.out_shape = tuple(kernel.shape) if shape is None else shape
        self._transfer = namespace(kernel).fft.rfftn(kernel, axes=tuple(range(kernel.ndim - len(self.in_shape), kernel.ndim)))

    @classmethod
    def gaussian(cls, shape: tuple[int, ...], sigma: float | Sequence[float]) -> PartialCoherence:
        """A Gaussian kernel of standard deviation `sigma` detector pixels (one, or one an axis)."""
        sigmas = (sigma,) * len(shape) if isinstance(sigma, (int, float)) else tuple(sigma)
        kernel = np.ones((1,) * len(shape))
        for axis, (n, s) in enumerate(zip(shape, sigmas, strict=True)):
            r = np.fft.fftfreq(n, 1 / n)
            line = np.exp(-0.5 * (r / s) ** 2) if s > 0 else (r == 0).astype(float)
            kernel = kernel * line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        return cls((kernel / kernel.sum()).astype(np.float32))

    @property
    def widths(self) -> tuple[float, ...]:
        """The standard deviation of a single kernel along each axis, detector pixels."""
        found, kernel = [], to_numpy(self.kernel)
        for axis, n in enumerate(kernel.shape):
            line = kernel.sum(axis=tuple(a for a in range(kernel.ndim) if a != axis), dtype=float)
            r = np.fft.fftfreq(n, 1 / n)
            mean = (line * r).sum() / line.sum()
            found.append(float(np.sqrt((line * (r - mean) ** 2).sum() / line.sum())))
        return tuple(found)

    def forward(self, x: Array) -> Array:
        """Kernel ⊗ x for x ≥ 0, kept above the kernel's centre times x, which rounding may fall below; x for a point."""
        xp = namespace(x)
        centre = self.kernel[(..., *[slice(0, 1)] * len(self.in_shape))]
        return xp.where(centre == 1, x, xp.maximum(self._convolve(x, self._transfer), centre * x))

    def adjoint(self, y: Array) -> Array:
        """Kernel ⋆ y (correlation)."""
        xp = namespace(y)
        return self._convolve(y, xp.conj(self._transfer))

    def distribute(self, ratio: Array) -> Array:
        """Each sample is scaled by its own pixel's ratio, as Clark et al. do."""
        return ratio

    def to(self, device: Device) -> Operator:
        """With the kernel on `device`."""
        return PartialCoherence(device.put(self.kernel), self.in_shape)

    def _convolve(self, x: Array, transfer: Array) -> Array:
        return convolve(x, transfer)


def richardson_lucy(
    kernel: Array, coherent: Array, measured: Array, valid: Array, iterations: int, window: Array | None = None
) -> Array:
    """Kernel that blurs `coherent` into `measured`, by Richardson–Lucy steps from `kernel`.

    γ ← γ · (I_c ⋆ (valid·I_m/(I_c⊗γ))) / (I_c ⋆ valid), then Σγ = 1. `coherent` is (batch, *shape), the
    others (*shape) or (batch, *shape), all with zero frequency at index 0; unmeasured pixels have no
    say. `window` (bool) bounds the kernel's extent. Returns (batch, *shape).
    It costs 2 + 2·`iterations` convolutions of real arrays, so many transforms (`Operator.spend`).
    Source: Clark et al., Nat. Commun. 3, 993 (2012); Richardson 1972, Lucy 1974.
    """
    xp = namespace(coherent)
    axes = tuple(range(1, coherent.ndim))
    weight = xp.astype(valid, coherent.dtype) + xp.zeros_like(coherent)
    measured = xp.where(valid, measured, xp.zeros_like(measured))
    spectrum = xp.fft.rfftn(coherent, axes=axes)
    conjugate = xp.conj(spectrum)

    def correlate(image: Array) -> Array:
        return convolve(image, conjugate)

    floor = 1e-9 * xp.max(coherent, axis=axes, keepdims=True)
    seen = xp.maximum(correlate(weight), 1e3 * floor)
    kernel = kernel + xp.zeros_like(coherent)
    kernel = kernel if window is None else kernel * xp.astype(window, kernel.dtype)
    for _ in range(iterations):
        model = convolve(kernel, spectrum)
        kernel = kernel * xp.clip(correlate(measured / xp.maximum(model, floor)) / seen, min=0)
        kernel = kernel / xp.sum(kernel, axis=axes, keepdims=True)
    return kernel
