"""How an object is shown beside others of its kind: amplitude, phase and, where there is a truth, their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.alignment import ramp_of, tilt
from ...numerics.grids import SHOWN
from ..result_picture import phase_scale
from .images import ColourScale, Panel

BODY = 0.35  # share of the largest amplitude above which phases count for their scale; the rim is noisy


class Look(NamedTuple):
    """The colour scales that all objects of one comparison share."""

    amplitude: ColourScale
    phase: ColourScale
    amplitude_error: ColourScale
    phase_error: ColourScale


def look_of(objects: Sequence[NDArray], truth: NDArray | None, unit: str) -> Look:
    """Scales for objects (each *shape): the amplitude's from the truth, or from all where there is none."""
    shown = list(objects) if truth is None else [truth]
    top = max((float(np.abs(x).max()) for x in shown), default=0.0) or 1.0
    wrong = 0.0 if truth is None else max((float(np.quantile(amplitude_error(x, truth), 0.999)) for x in objects), default=0.0)
    turned = 0.0 if truth is None else max((float(np.nanquantile(phase_error(x, truth), 0.98)) for x in objects), default=0.0)
    return Look(
        ColourScale("viridis", 0.0, top, f"amplitude ({unit})" if unit else "amplitude"),
        phase_scale_of(np.concatenate([phase_of(x, BODY).ravel() for x in shown]), "phase (rad)"),
        ColourScale("magma", 0.0, wrong or top, "error of the amplitude"),
        ColourScale("magma", 0.0, np.pi if turned > 2 or not turned else turned, "error of the phase (rad)"),
    )


def phase_scale_of(phases: NDArray, label: str) -> ColourScale:
    """A cyclic scale over ±π, or a diverging one over less where no phase comes near to wrapping."""
    given = phase_scale(phases)
    return ColourScale(given["cmap"], float(given["vmin"]), float(given["vmax"]), label)


def untilted(objects: Sequence[NDArray], truth: NDArray) -> tuple[list[NDArray], NDArray]:
    """Objects and truth (each *shape) without the truth's own phase ramp and offset."""
    gradient = -ramp_of(truth)
    flat = tilt(truth, gradient)
    turn = np.exp(-1j * np.angle(np.sum(flat * np.abs(flat))))
    return [tilt(x, gradient) * turn for x in objects], flat * turn


def voxel_of(meta: Mapping[str, Any], ndim: int) -> tuple[list[float], str]:
    """The size of a pixel, one number an axis, and its unit: nm with `voxel_size_nm` (one or all) in meta, else px."""
    given = meta.get("voxel_size_nm")
    size = np.broadcast_to(np.asarray(1.0 if given is None else given, float), ndim)
    return [float(s) for s in size], "px" if given is None else "nm"


def phase_of(x: NDArray, share: float = SHOWN) -> NDArray:
    """The phase (*shape) where the amplitude is above a share of its maximum, else NaN."""
    amplitude = np.abs(x)
    return np.where(amplitude > share * amplitude.max(), np.angle(x), np.nan)


def amplitude_error(x: NDArray, truth: NDArray) -> NDArray:
    """||x| − |t||, (*shape)."""
    return np.abs(np.abs(x) - np.abs(truth))


def phase_error(x: NDArray, truth: NDArray) -> NDArray:
    """The angle between x and t (*shape), 0 to π; NaN where the truth has no phase."""
    return np.where(np.isfinite(phase_of(truth)), np.abs(np.angle(x * np.conj(truth))), np.nan)


def panels_of(x: NDArray, look: Look, who: str) -> list[Panel | None]:
    """Amplitude and phase."""
    return [
        Panel("amplitude", np.abs(x), look.amplitude, f"amplitude, {who}"),
        Panel("phase", phase_of(x), look.phase, f"phase, {who}"),
    ]


def errors_of(x: NDArray, truth: NDArray, look: Look, who: str) -> list[Panel | None]:
    """What separates x from the truth."""
    return [
        Panel("amplitude error", amplitude_error(x, truth), look.amplitude_error, f"error of the amplitude, {who}"),
        Panel("phase error", phase_error(x, truth), look.phase_error, f"error of the phase, {who}"),
    ]
