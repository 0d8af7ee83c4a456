"""An operator that counts its transforms."""

from __future__ import annotations

from dataclasses import dataclass

from ..numerics.arrays import Array
from ..operators import Operator


@dataclass
class CountingOperator(Operator):
    """An operator that counts its transforms, one for each element of the batch."""

    inner: Operator
    ffts: int = 0
    whole: CountingOperator | None = None

    def __post_init__(self) -> None:
        self.in_shape, self.out_shape, self.isometry = self.inner.in_shape, self.inner.out_shape, self.inner.isometry
        self.fourier = self.inner.fourier

    def spend(self, transforms: int) -> None:
        """Add to the counts. A transform of the middle alone counts as one of the whole operator, too."""
        self.ffts += transforms
        if self.whole is not None:
            self.whole.spend(transforms)

    def forward(self, x: Array) -> Array:
        """Count, and transform."""
        self.spend(x.shape[0])
        return self.inner.forward(x)

    def adjoint(self, y: Array) -> Array:
        """Count, and transform back."""
        self.spend(y.shape[0])
        return self.inner.adjoint(y)

    def middle(self, shape: tuple[int, ...]) -> Operator | None:
        """The middle of the inner operator, counted here."""
        inner = self.inner.middle(shape)
        return None if inner is None else CountingOperator(inner, whole=self)
