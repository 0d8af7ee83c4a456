"""What is shown of an object: its middle, the box around it, and the cuts through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.alignment import remove_ramp, shift_to_centre
from ..numerics.grids import crop_to

if TYPE_CHECKING:
    from ..io.result import Result

AXES = {2: "yx", 3: "zyx"}


class Section(NamedTuple):
    """A cut through an object or pattern that `imshow` can draw: rows and columns are array axes a and b."""

    title: str
    cut: tuple[int | slice, ...]
    extent: tuple[float, float, float, float]
    xlabel: str
    ylabel: str


def support_of(result: Result) -> NDArray[np.bool_] | None:
    """The support (*shape) that the chosen start ended with, or that was known beforehand."""
    support = result.problem.support if result.support is None else result.support
    return None if support is None else np.asarray(support, bool)


def to_middle(
    x: NDArray, support: NDArray[np.bool_] | None, spread: NDArray | None
) -> tuple[NDArray, NDArray[np.bool_] | None, NDArray | None]:
    """Everything rolled so that the object's centre of mass lies at N//2; the object's phase ramp and offset removed."""
    roll = shift_to_centre(x)
    support, spread = (None if a is None else np.roll(a, roll, axis=range(x.ndim)) for a in (support, spread))
    x = remove_ramp(np.roll(x, roll, axis=range(x.ndim)))
    return x * np.exp(-1j * np.angle(np.sum(x * np.abs(x)))), support, spread


def object_sections(x: NDArray, support: NDArray[np.bool_] | None, meta: Mapping[str, Any]) -> list[Section]:
    """One cut a pair of axes through N//2, cropped to the support or, without one, to what is seen, with a margin."""
    size = np.broadcast_to(np.asarray(meta.get("voxel_size_nm", 1.0), float), x.ndim)
    unit = "nm" if "voxel_size_nm" in meta else "px"
    crop = crop_to(x, support)
    edges = [
        (s * (cut.start - n // 2 - 0.5), s * (cut.stop - n // 2 - 0.5)) for s, cut, n in zip(size, crop, x.shape, strict=True)
    ]
    return [_view(x.shape, pair, crop, edges, [n // 2 for n in x.shape], f"({unit})") for pair in _pairs(x.ndim)]


def _pairs(ndim: int) -> list[tuple[int, int]]:
    return [(0, 1)] if ndim == 2 else [(1, 2), (0, 2), (0, 1)]


def _view(
    shape: Sequence[int],
    pair: tuple[int, int],
    crop: Sequence[slice],
    edges: Sequence[tuple[float, float]],
    centre: Sequence[int],
    unit: str,
    prefix: str = "",
) -> Section:
    a, b = pair
    names = [prefix + c for c in AXES[len(shape)]]
    cut = tuple(crop[axis] if axis in pair else centre[axis] for axis in range(len(shape)))
    title = "".join(f", {names[axis]} = {centre[axis] - n // 2}" for axis, n in enumerate(shape) if axis not in pair)
    return Section(title, cut, (*edges[b], *edges[a][::-1]), f"{names[b]} {unit}", f"{names[a]} {unit}")


def pattern_sections(peak: Sequence[int], shape: Sequence[int]) -> list[Section]:
    """One cut a pair of axes through the peak, of the whole detector, in px from its centre."""
    edges = [(-(n // 2) - 0.5, n - n // 2 - 0.5) for n in shape]
    whole = [slice(None)] * len(shape)
    return [_view(shape, pair, whole, edges, peak, "(px)", "q") for pair in _pairs(len(shape))]
