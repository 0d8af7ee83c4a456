"""Operators on the intensity |A x|²: detector binning and partial coherence.

They are linear maps of real, non-negative arrays with zero frequency at index 0. A `Problem` holds one as its `detector`, and
the measured intensity is detector.forward(|A x|²).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..numerics.arrays import Array, Device, convolve, namespace, to_numpy
from .base import Operator


class Binning(Operator):
    """Detector pixels that each sum a block of finer samples of the intensity.

    Blocks lie as those of a centred detector: the centre N//2 of both grids falls in the same block.

    Parameters
    ----------
    in_shape : tuple of int
        Shape of the fine samples, a multiple of `factor`; else ValueError is raised.
    factor : int or sequence of int
        Samples per pixel, one number for all axes or one for each.
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
        # block k of the centred grid starts at k·f; the shift brings the block with N//2 to the front
        self._shift = tuple(n // 2 - (n // f // 2) * f for n, f in zip(in_shape, self.factor, strict=True))

    def forward(self, x: Array) -> Array:
        """Return the sum over each block, (batch, *out_shape)."""
        xp = namespace(x)
        axes = tuple(range(1, x.ndim))
        x = xp.roll(x, self._shift, axis=axes)
        return xp.sum(xp.reshape(x, (x.shape[0], *self._blocks)), axis=self._inner)

    def adjoint(self, y: Array) -> Array:
        """Return each pixel's value in all samples of its block, (batch, *in_shape)."""
        xp = namespace(y)
        for axis, f in enumerate(self.factor, start=1):
            y = xp.repeat(y, f, axis=axis)
        return xp.roll(y, tuple(-s for s in self._shift), axis=tuple(range(1, y.ndim)))


class PartialCoherence(Operator):
    """The intensity convolved with a kernel of sum 1, the Fourier transform of the mutual coherence.

    Parameters
    ----------
    kernel : Array
        Real and non-negative (*shape), or (batch, *shape) for a kernel of each start; its centre is at index 0.
    shape : tuple of int, optional
        Shape of the pattern; the kernel's, if not given.

    References
    ----------
    Clark et al., Nat. Commun. 3, 993 (2012).
    """

    intensity = True
    transforms = 1

    def __init__(self, kernel: Any, shape: tuple[int, ...] | None = None) -> None:
        self.kernel = kernel
        self.in_shape = self.out_shape = tuple(kernel.shape) if shape is None else shape
        self._transfer = namespace(kernel).fft.rfftn(kernel, axes=tuple(range(kernel.ndim - len(self.in_shape), kernel.ndim)))

    @classmethod
    def gaussian(cls, shape: tuple[int, ...], sigma: float | Sequence[float]) -> PartialCoherence:
        """Return a Gaussian kernel of standard deviation `sigma`, detector pixels: one number, or one for each axis."""
        sigmas = (sigma,) * len(shape) if isinstance(sigma, (int, float)) else tuple(sigma)
        kernel = np.ones((1,) * len(shape))
        for axis, (n, s) in enumerate(zip(shape, sigmas, strict=True)):
            r = np.fft.fftfreq(n, 1 / n)
            line = np.exp(-0.5 * (r / s) ** 2) if s > 0 else (r == 0).astype(float)
            kernel = kernel * line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        return cls((kernel / kernel.sum()).astype(np.float32))

    @property
    def widths(self) -> tuple[float, ...]:
        """Standard deviation of a single kernel along each axis, detector pixels."""
        found, kernel = [], to_numpy(self.kernel)
        for axis, n in enumerate(kernel.shape):
            line = kernel.sum(axis=tuple(a for a in range(kernel.ndim) if a != axis), dtype=float)
            r = np.fft.fftfreq(n, 1 / n)
            mean = (line * r).sum() / line.sum()
            found.append(float(np.sqrt((line * (r - mean) ** 2).sum() / line.sum())))
        return tuple(found)

    def forward(self, x: Array) -> Array:
        """Return kernel ⊗ x for x ≥ 0. Rounding cannot take it below the kernel's centre times x; a point kernel gives x."""
        xp = namespace(x)
        centre = self.kernel[(..., *[slice(0, 1)] * len(self.in_shape))]
        return xp.where(centre == 1, x, xp.maximum(convolve(x, self._transfer), centre * x))

    def adjoint(self, y: Array) -> Array:
        """Return the correlation kernel ⋆ y."""
        xp = namespace(y)
        return convolve(y, xp.conj(self._transfer))

    def distribute(self, ratio: Array) -> Array:
        """Return the ratio itself: each sample is scaled by its own pixel's, as Clark et al. do."""
        return ratio

    def to(self, device: Device) -> Operator:
        """Return the operator with its kernel on `device`."""
        return PartialCoherence(device.put(self.kernel), self.in_shape)


def richardson_lucy(
    kernel: Array, coherent: Array, measured: Array, valid: Array, iterations: int, window: Array | None = None
) -> Array:
    """Find the kernel that blurs one intensity into another, by Richardson-Lucy steps.

    γ ← γ · (I_c ⋆ (valid·I_m/(I_c⊗γ))) / (I_c ⋆ valid), then Σγ = 1. With the transform of the result it costs as much as
    2 + 2·`iterations` convolutions of real arrays (`Operator.spend`).

    Parameters
    ----------
    kernel : Array
        The first γ, (*shape) or (batch, *shape). Zero frequency of every array is at index 0.
    coherent : Array
        I_c (batch, *shape), the intensity without a blur.
    measured, valid : Array
        I_m and bool, (*shape) or (batch, *shape). Pixels that are not valid have no influence.
    iterations : int
        Number of steps.
    window : Array, optional
        The largest extent of the kernel, bool (*shape).

    Returns
    -------
    Array
        The kernel of each start (batch, *shape).

    References
    ----------
    Clark et al., Nat. Commun. 3, 993 (2012); Richardson, J. Opt. Soc. Am. 62, 55 (1972); Lucy, Astron. J. 79, 745 (1974).
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
