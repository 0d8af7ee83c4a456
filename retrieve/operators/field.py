"""Operators on the complex field: far field, padding, masking."""

from __future__ import annotations

from typing import Any

from ..numerics.arrays import Array, Device, fftn, ifftn, namespace, threads_for
from .base import Operator


class FarField(Operator):
    """Fraunhofer diffraction: the orthonormal Fourier transform over the trailing axes.

    The object is centred at N//2, and zero frequency is at index 0. No shift is applied, so each amplitude carries the phase of
    that translation by half an array. Moduli are unaffected.

    Parameters
    ----------
    shape : tuple of int
        Shape of the object and of its far field.
    workers : int, optional
        Threads; as many as pay for this size, if not given.
    """

    isometry = True

    def __init__(self, shape: tuple[int, ...], workers: int | None = None) -> None:
        self.in_shape = self.out_shape = tuple(shape)
        self.fourier = self.workers = threads_for(self.size) if workers is None else workers

    def forward(self, x: Array) -> Array:
        """Return Σ x exp(−2πi qr)/√N for x (batch, *shape)."""
        return fftn(x, len(self.in_shape), self.workers)

    def adjoint(self, y: Array) -> Array:
        """Return Σ y exp(+2πi qr)/√N for y (batch, *shape), which is also the inverse."""
        return ifftn(y, len(self.in_shape), self.workers)

    def middle(self, shape: tuple[int, ...]) -> FarField:
        """Return the far field of `shape`."""
        return FarField(shape)


class Pad(Operator):
    """Zeros around a centred array, whose centre stays N//2. Its adjoint crops.

    Parameters
    ----------
    in_shape, out_shape : tuple of int
        Shapes before and after, of as many axes. Raises ValueError if an axis shrinks.
    """

    isometry = True

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        if len(in_shape) != len(out_shape) or any(i > o for i, o in zip(in_shape, out_shape, strict=True)):
            raise ValueError(f"Pad goes from a shape to a larger one of as many axes, not from {in_shape} to {out_shape}")
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        self.window = tuple(slice(o // 2 - i // 2, o // 2 - i // 2 + i) for i, o in zip(in_shape, out_shape, strict=True))

    def forward(self, x: Array) -> Array:
        """Return x (batch, *in_shape) in the middle of zeros."""
        xp = namespace(x)
        y = xp.zeros((x.shape[0], *self.out_shape), dtype=x.dtype, device=x.device)
        y[(slice(None), *self.window)] = x
        return y

    def adjoint(self, y: Array) -> Array:
        """Return the middle of y (batch, *out_shape)."""
        return y[(slice(None), *self.window)]


class Crop(Pad):
    """The middle of a centred array. Its adjoint pads. Not an isometry.

    Parameters
    ----------
    in_shape, out_shape : tuple of int
        Shapes before and after, of as many axes. Raises ValueError if an axis grows.
    """

    isometry = False

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        super().__init__(out_shape, in_shape)
        self.in_shape, self.out_shape = self.out_shape, self.in_shape

    def forward(self, x: Array) -> Array:
        """Return the middle of x (batch, *in_shape)."""
        return x[(slice(None), *self.window)]

    def adjoint(self, y: Array) -> Array:
        """Return y (batch, *out_shape) in the middle of zeros."""
        xp = namespace(y)
        x = xp.zeros((y.shape[0], *self.in_shape), dtype=y.dtype, device=y.device)
        x[(slice(None), *self.window)] = y
        return x


class Mask(Operator):
    """Multiplication by a real array, such as a support or a known illumination. It is its own adjoint.

    Parameters
    ----------
    mask : Array
        Factors (*shape), bool or real.
    """

    def __init__(self, mask: Any) -> None:
        self.mask = mask
        self._binary = namespace(mask).isdtype(mask.dtype, "bool")
        self.in_shape = self.out_shape = tuple(mask.shape)

    def forward(self, x: Array) -> Array:
        """Return mask · x for x (batch, *shape)."""
        xp = namespace(x)
        return xp.where(self.mask, x, xp.zeros_like(x)) if self._binary else x * self.mask

    def adjoint(self, y: Array) -> Array:
        """Return mask · y, because the mask is real."""
        return self.forward(y)

    def to(self, device: Device) -> Operator:
        """Return the operator with its mask on `device`."""
        return Mask(device.put(self.mask))
