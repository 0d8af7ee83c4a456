"""The support that a result ended with: how sure it is, from the starts that agree, and what is odd about it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..io.result import Result
from ..numerics.alignment import Aligned, align, conjugate_inverse

SAME_OBJECT_CORRELATION = 0.9
"""Correlation from which two starts count as one object."""


class SupportAgreement(NamedTuple):
    """How the starts that agree see the support.

    share: float32 (*shape), 0 to 1, the share of them whose support holds the pixel; on the chosen start's place.
    starts: how many they are, the chosen one among them.
    """

    share: NDArray[np.float32]
    starts: int

    @property
    def words(self) -> str:
        """The least and the largest it may be."""
        every, some = int((self.share == 1).sum()), int((self.share > 0).sum())
        unit = "voxels" if self.share.ndim == 3 else "px"
        return f"all of the {self.starts} starts that agree hold {every} {unit}, any of them {some} {unit}"


def support_agreement(result: Result) -> SupportAgreement | None:
    """Where the supports of the starts that agree with the chosen one lie, each brought onto it by whole pixels.

    None where the support was known, or where no other start agrees: one support has no uncertainty.
    """
    if result.supports is None or result.problem.support is not None:
        return None
    chosen = result.estimates[result.chosen]
    if not np.isfinite(chosen).all():
        return None
    masks = [np.asarray(result.supports[result.chosen], bool)]
    for k, (x, support) in enumerate(zip(result.estimates, result.supports, strict=True)):
        if k == result.chosen or result.scores[k].failure is not None or not np.isfinite(x).all():
            continue
        found = align(x, chosen, subpixel=1)
        if found.correlation >= SAME_OBJECT_CORRELATION:
            masks.append(moved(support, found) > 0.5)
    return SupportAgreement(np.mean(masks, axis=0, dtype=np.float32), len(masks)) if len(masks) > 1 else None


def moved(values: NDArray, found: Aligned) -> NDArray:
    """A mask or share (*shape) moved as an estimate was, by whole pixels."""
    turned = conjugate_inverse(values.astype(np.float32)) if found.twin else values.astype(np.float32)
    return np.roll(turned, [round(s) for s in found.shift], axis=range(values.ndim))


def support_warnings(result: Result) -> tuple[str, ...]:
    """What is odd about the chosen start's support."""
    if result.support is None or not result.support.any():
        return ()
    support: NDArray[Any] = np.asarray(result.support)
    found = []
    axes = range(support.ndim)
    lines = [np.asarray(support.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    if any(line[0] or line[-1] for line in lines):
        found.append("the support touches the edge of the array")
    wide = [axis for axis, line in zip(axes, lines, strict=True) if np.ptp(np.flatnonzero(line)) + 1 > len(line) / 2]
    if wide and support.mean() > 0.5**support.ndim:
        found.append(
            f"the support fills {support.mean():.0%} of the array and more than half of axis {', '.join(map(str, wide))}: "
            "more than the oversampling allows"
        )
    labels, count = ndimage.label(support)
    if count > 1:
        energy = ndimage.sum_labels(np.abs(result.object) ** 2, labels, np.arange(1, count + 1))
        detached = int((energy > 0.01 * energy.sum()).sum()) - 1
        if detached > 0:
            found.append(f"{detached} detached part(s) of the support hold more than 1 % of the object each")
    return tuple(found)
