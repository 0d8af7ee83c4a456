"""Linear operators of the measurement: on the object's field, and on the intensity."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from ..numerics.arrays import Array, Device


class Operator(ABC):
    """A linear map on arrays (batch, *in_shape) → (batch, *out_shape).

    Attributes
    ----------
    in_shape, out_shape : tuple of int
        Shapes without the batch.
    isometry : bool
        True promises adjoint(forward(x)) == x for every x.
    intensity : bool
        True if it takes intensities, real and non-negative, and not complex fields.
    fourier : int or None
        Threads of the orthonormal Fourier transform, for an operator that is nothing else.
    transforms : int
        Cost of `forward`, and of `adjoint`, of an operator on intensities, in the unit of `spend`.
    """

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    isometry: bool = False
    intensity: bool = False
    fourier: int | None = None
    transforms: int = 0

    @abstractmethod
    def forward(self, x: Array) -> Array:
        """Return A x for x (batch, *in_shape)."""

    @abstractmethod
    def adjoint(self, y: Array) -> Array:
        """Return Aᴴ y for y (batch, *out_shape), with ⟨A x, y⟩ = ⟨x, Aᴴ y⟩."""

    def distribute(self, ratio: Array) -> Array:
        """Return the ratio measured/expected of each pixel at each of its samples, for an operator on intensities."""
        return self.adjoint(ratio)

    def spend(self, transforms: int) -> None:  # noqa: B027
        """Count transforms that a solver does past `forward` and `adjoint` of this operator.

        The unit is one complex transform of one start's whole array, which is what `forward` and `adjoint` cost. A convolution
        of real arrays takes two transforms of half the size and counts as one; a convolution of complex arrays counts as two.
        The driver compares the sum with a budget.
        """

    def to(self, device: Device) -> Operator:
        """Return the operator with its arrays on `device`; itself, if it has none."""
        return self

    def middle(self, shape: tuple[int, ...]) -> Operator | None:
        """Return the operator of the middle `shape` of the pattern, whose object has larger pixels; None if there is none."""
        return None

    def __matmul__(self, inner: Operator) -> Operator:
        """Return `self @ inner`: first `inner`, then `self`. Raises ValueError if their shapes do not meet."""
        return Composed(self, inner)

    @property
    def size(self) -> int:
        """Number of points of the output."""
        return math.prod(self.out_shape)


class Composed(Operator):
    """The product outer ∘ inner, as `outer @ inner` makes it.

    Parameters
    ----------
    outer, inner : Operator
        `inner` acts first.
    """

    def __init__(self, outer: Operator, inner: Operator) -> None:
        if tuple(outer.in_shape) != tuple(inner.out_shape):
            raise ValueError(f"cannot compose: the inner operator gives {inner.out_shape}, the outer takes {outer.in_shape}")
        self.outer, self.inner = outer, inner
        self.in_shape, self.out_shape = inner.in_shape, outer.out_shape
        self.isometry = outer.isometry and inner.isometry
        self.intensity = inner.intensity
        self.transforms = inner.transforms + outer.transforms

    def forward(self, x: Array) -> Array:
        """Return outer(inner(x))."""
        return self.outer.forward(self.inner.forward(x))

    def adjoint(self, y: Array) -> Array:
        """Return innerᴴ(outerᴴ(y))."""
        return self.inner.adjoint(self.outer.adjoint(y))

    def distribute(self, ratio: Array) -> Array:
        """Distribute through the outer, then the inner operator."""
        return self.inner.distribute(self.outer.distribute(ratio))

    def to(self, device: Device) -> Operator:
        """Return the operator with both parts on `device`."""
        return Composed(self.outer.to(device), self.inner.to(device))
