"""An object beside others of its kind: amplitude, phase and, against a truth, their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..geometry.experiment import Experiment
from ..geometry.space import voxel_vectors
from ..numerics.alignment import ramp_of, tilt
from ..numerics.phase import phase_of
from .panels import ColourScale, ImagePanel, Outline, PixelGrid

AXIS_NAMES = {2: "yx", 3: "zyx"}
BODY_AMPLITUDE = 0.35  # share of the largest amplitude above which phases count for their scale; the rim is noisy


class ObjectScales(NamedTuple):
    """The colour scales that all objects of one comparison share."""

    amplitude: ColourScale
    phase: ColourScale
    amplitude_error: ColourScale
    phase_error: ColourScale


def object_scales(objects: Sequence[NDArray], truth: NDArray | None, unit: str = "") -> ObjectScales:
    """Scales for objects (each *shape): from the truth, or from all where there is none."""
    shown = list(objects) if truth is None else [truth]
    top = max((float(np.abs(x).max()) for x in shown), default=0.0) or 1.0
    wrong = turned = 0.0
    if truth is not None:
        wrong = max((float(np.quantile(amplitude_error(x, truth), 0.999)) for x in objects), default=0.0)
        turned = max((float(np.nanquantile(phase_error(x, truth), 0.98)) for x in objects), default=0.0)
    return ObjectScales(
        ColourScale("viridis", 0.0, top, f"amplitude ({unit})" if unit else "amplitude"),
        phase_scale(np.concatenate([phase_of(x, BODY_AMPLITUDE).ravel() for x in shown])),
        ColourScale("magma", 0.0, wrong or top, "error of the amplitude"),
        ColourScale("magma", 0.0, np.pi if turned > 2 or not turned else turned, "error of the phase (rad)"),
    )


def phase_scale(phase: NDArray, label: str = "phase (rad)") -> ColourScale:
    """A cyclic scale over ±π; a diverging one over less where all but some edge pixels stay far from wrapping."""
    seen = np.abs(phase[np.isfinite(phase)])
    limit = float(np.quantile(seen, 0.98)) if seen.size else np.pi
    if 0 < limit < np.pi / 2:
        return ColourScale("coolwarm", -limit, limit, label)
    return ColourScale("twilight", -np.pi, np.pi, label)


def spread_scale(values: NDArray, label: str) -> ColourScale:
    """From 0 to the largest value."""
    return ColourScale("magma", 0.0, float(values.max()) or 1.0, label)


def amplitude_error(x: NDArray, truth: NDArray) -> NDArray:
    """||x| − |t||, (*shape)."""
    return np.abs(np.abs(x) - np.abs(truth))


def phase_error(x: NDArray, truth: NDArray) -> NDArray:
    """The angle between x and t (*shape), 0 to π; NaN where the truth has no phase."""
    return np.where(np.isfinite(phase_of(truth)), np.abs(np.angle(x * np.conj(truth))), np.nan)


def flattened(objects: Sequence[NDArray], reference: NDArray) -> list[NDArray]:
    """Objects (each *shape) without the phase ramp and offset of the reference."""
    gradient = -ramp_of(reference)
    flat = tilt(reference, gradient)
    turn = np.exp(-1j * np.angle(np.sum(flat * np.abs(flat))))
    return [tilt(x, gradient) * turn for x in objects]


def object_grid(origin: Sequence[int], meta: Mapping[str, Any], edges: NDArray | None = None) -> PixelGrid:
    """The grid of an object: nm with the edges of a voxel or `voxel_size_nm` (one number or one an axis) in meta, else px.

    edges: (axes, 3), nm, as `voxel_edges` gives them.
    """
    given = meta.get("voxel_size_nm") if edges is None else np.linalg.norm(edges, axis=1)
    size = np.broadcast_to(np.asarray(1.0 if given is None else given, float), len(origin))
    return PixelGrid(tuple(AXIS_NAMES[len(origin)]), tuple(origin), tuple(map(float, size)), "px" if given is None else "nm")


def voxel_edges(meta: Mapping[str, Any], shape: Sequence[int]) -> NDArray[np.float64] | None:
    """The edges of a voxel (3, 3) of a phased array of a shape in the laboratory, nm; None if meta lacks the experiment."""
    if len(shape) != 3:
        return None
    try:
        experiment = Experiment.from_meta(meta)
        return None if experiment.missing() else voxel_vectors(experiment, shape)
    except InputError:  # facts that contradict each other; `retrieve strain` and `inspect` say which
        return None


def angles_between(edges: NDArray[np.float64]) -> list[float]:
    """The angles between the axes of voxels, in the order of axes 1 and 2, 0 and 2, 0 and 1, degrees."""
    units = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    return [float(np.degrees(np.arccos(np.clip(units[i] @ units[k], -1, 1)))) for i, k in ((1, 2), (0, 2), (0, 1))]


def amplitude_and_phase(
    x: NDArray, scales: ObjectScales, grid: PixelGrid, who: str, support: NDArray[np.bool_] | None = None
) -> list[ImagePanel]:
    """The panels of an object (*shape), with the outline of its support."""
    light, dark = (() if support is None else (Outline(support, colour),) for colour in ("white", "#4d4d4d"))
    return [
        ImagePanel("amplitude", np.abs(x), scales.amplitude, grid, f"amplitude, {who}", light, bar=True),
        ImagePanel("phase", phase_of(x), scales.phase, grid, f"phase, {who}", dark),
    ]


def error_panels(x: NDArray, truth: NDArray, scales: ObjectScales, grid: PixelGrid, who: str) -> list[ImagePanel]:
    """The difference between an object and the truth."""
    wrong, turned = amplitude_error(x, truth), phase_error(x, truth)
    return [
        ImagePanel("amplitude error", wrong, scales.amplitude_error, grid, f"error of the amplitude, {who}"),
        ImagePanel("phase error", turned, scales.phase_error, grid, f"error of the phase, {who}"),
    ]
