"""The panels of one result, and the content of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..evaluate.support_agreement import SupportAgreement, moved, support_agreement
from ..evaluate.verdict import account_lines, choice_lines
from ..io.result import Result
from ..numerics.alignment import Aligned, align, shift_to_centre
from ..numerics.grids import crop_to
from ..numerics.phase import without_ramp
from .deviance_panel import deviance_panel
from .history_panel import history_panel
from .object_panels import (
    ObjectScales,
    amplitude_and_phase,
    angles_between,
    error_panels,
    flattened,
    object_grid,
    object_scales,
    spread_scale,
    voxel_edges,
)
from .panels import ColourScale, ImageGrid, ImagePanel, ImageRow, Outline, PixelGrid
from .pattern_panels import amplitude_unit, coarser, diffraction_panels, intensity_unit
from .starts_panels import agreement_of, modes_of_starts, ratio_of, starts_charts, starts_table
from .surface import NEEDED, SurfacePanel, can_draw_surfaces, object_surface
from .uncertainty_panels import shells_panel, uncertainty_grid, uncertainty_panel

HEALTHY_RATIO = 1.5  # R_free / R up to which a fit is not called over-fitted


def result_page(result: Result) -> dict[str, Any]:
    """The content of `result.html`."""
    agreement, supports = agreement_of(result), support_agreement(result)
    truth = None if result.problem.truth is None else np.asarray(result.problem.truth)
    known = align(np.nan_to_num(result.object), truth, ramp=True, scale=True) if truth is not None and truth.any() else None
    diffraction = diffraction_panels(result)
    unit = amplitude_unit(intensity_unit(diffraction[0].values))
    placed = place(result, supports, known)
    scales = object_scales([placed.x], placed.truth, unit)
    uncertainty = uncertainty_panel(result, placed.grid, placed.x.shape, known)
    return {
        "result": result,
        "name_of_input": PurePath(str(result.manifest.get("input", {}).get("path") or "")).name,
        "ratio": ratio_of(result.score),
        "HEALTHY_RATIO": HEALTHY_RATIO,
        "held": 0.0 if result.held is None else float(np.mean(result.held)),
        "agreement": agreement,
        "support": support_of(result),
        "supports": supports,
        "known": known,
        "object": _object_grid(placed, scales),
        "solid": _solid(placed, scales, uncertainty),
        "lacking": NEEDED if placed.x.ndim == 3 and not can_draw_surfaces() else "",
        "diffraction": _diffraction_grid(diffraction),
        "deviance": deviance_panel(result),
        "uncertainty": uncertainty_grid(result, uncertainty),
        "shells": shells_panel(result),
        "history": history_panel(result),
        "starts_table": starts_table(result, agreement),
        "starts_charts": starts_charts(result, agreement) if agreement else [],
        "modes": modes_of_starts(result, agreement, unit) if agreement else None,
        "facts": _facts(result),
        "account": account_lines(result),
        "choice": "; ".join(choice_lines(result)),
    }


def _facts(result: Result) -> dict[str, Any]:
    """The settings that a reader asks for first."""
    facts = {name: result.manifest.get(name) for name in ("solver", "options", "seed", "device", "versions")}
    if result.held is not None:
        facts["held out"] = f"{np.mean(result.held):.2%} of the pixels"
    return {name: value for name, value in facts.items() if value}


# the object ----------------------------------------------------------------------------------------


class PlacedObject(NamedTuple):
    """A result's object in its box, without phase ramp and offset.

    x: complex (*box).  support: bool, of the chosen start or known.  spread: of the amplitude.  share: of the agreeing
    starts whose support holds a pixel.  truth: beside which x lies.  edges: (3, 3) of a voxel in the laboratory, nm.  All None
    where there is none.
    """

    x: NDArray
    support: NDArray[np.bool_] | None
    spread: NDArray | None
    share: NDArray | None
    truth: NDArray | None
    grid: PixelGrid
    edges: NDArray[np.float64] | None = None


def place(result: Result, supports: SupportAgreement | None, known: Aligned | None = None) -> PlacedObject:
    """The object with its centre of mass in the middle or, as aligned to it in `known`, upon the truth."""
    x = np.nan_to_num(result.object)
    layers: dict[str, Any] = {"support": support_of(result), "spread": result.spread, "share": supports and supports.share}
    layers = {name: np.nan_to_num(values) for name, values in layers.items() if values is not None}
    if known is None:
        return place_alone(x, layers, result.problem.meta)
    layers = {name: moved(values, known) for name, values in layers.items()}
    x, truth = flattened([known.object, np.asarray(result.problem.truth)], np.asarray(result.problem.truth))
    return _cropped(x, crop_to(truth, None), layers, truth, result.problem.meta)


def place_alone(x: NDArray, layers: Mapping[str, NDArray], meta: Mapping[str, Any]) -> PlacedObject:
    """An object (*shape) with its centre of mass in the middle, and its layers (*shape): support, spread, share."""
    roll = shift_to_centre(x)
    layers = {name: np.roll(values, roll, range(x.ndim)) for name, values in layers.items()}
    x = without_ramp(np.roll(x, roll, range(x.ndim)))
    return _cropped(x, crop_to(x, layers.get("support")), layers, None, meta)


def _cropped(
    x: NDArray, crop: tuple[slice, ...], layers: Mapping[str, NDArray], truth: NDArray | None, meta: Mapping[str, Any]
) -> PlacedObject:
    layers = {name: values[crop] for name, values in layers.items()}
    edges = voxel_edges(meta, x.shape)
    grid = object_grid([n // 2 - cut.start for n, cut in zip(x.shape, crop, strict=True)], meta, edges)
    support = layers["support"] > 0.5 if "support" in layers else None
    truth = None if truth is None else truth[crop]
    return PlacedObject(x[crop], support, layers.get("spread"), layers.get("share"), truth, grid, edges)


def support_of(result: Result) -> NDArray[np.bool_] | None:
    """The support (*shape) that the chosen start ended with, or that was known beforehand."""
    support = result.problem.support if result.support is None else result.support
    return None if support is None else np.asarray(support, bool)


def spread_panel(placed: PlacedObject, supports: SupportAgreement | None, unit: str) -> list[ImagePanel]:
    """The spread over several starts, with outlines of the pixels that all agreeing supports hold and that any does."""
    if placed.spread is None:
        return []
    outlines = [] if placed.support is None else [Outline(placed.support, "white")]
    if supports is not None and placed.share is not None:
        outlines.append(Outline(placed.share == 1, "cyan", f"in all {supports.starts} supports that agree"))
        outlines.append(Outline(placed.share > 0, "lime", "in any of them"))
    scale = spread_scale(placed.spread, f"std of amplitude ({unit})")
    return [ImagePanel("spread", placed.spread, scale, placed.grid, "spread over the starts", tuple(outlines))]


def _object_grid(placed: PlacedObject, scales: ObjectScales) -> ImageGrid:
    """The object alone or beside the truth, and the share of supports that hold each pixel."""
    x, truth, grid = placed.x, placed.truth, placed.grid
    panels: list[ImagePanel] = amplitude_and_phase(x, scales, grid, "retrieved", placed.support)
    if truth is not None:
        panels += error_panels(x, truth, scales, grid, "retrieved")
    if placed.share is not None:
        scale = ColourScale("cividis", 0.0, 1.0, "share of the agreeing starts whose support holds it")
        panels.append(
            ImagePanel("support", np.where(placed.share > 0, placed.share, np.nan), scale, grid, "support, of the starts")
        )
    rows = [ImageRow(panels, "Retrieved" if truth is not None else "")]
    if truth is not None:
        shown = amplitude_and_phase(truth, scales, grid, "truth")
        rows.append(ImageRow([*shown, *[None] * (len(panels) - len(shown))], "Truth"))
    note = "Cropped to the object; phase ramp and offset removed; phases below a tenth of the largest amplitude are left out."
    return ImageGrid(rows, f"{note} {skew_words(placed)}".rstrip())


def skew_words(placed: PlacedObject) -> str:
    """A note on axes that the detector's frame gives, if the laboratory is known."""
    if placed.edges is None:
        return ""
    angles = zip(("y and x", "z and x", "z and y"), angles_between(placed.edges), strict=True)
    named = ", ".join(f"{angle:.1f}° between {axes}" for axes, angle in angles)
    return f"The axes are those of frames, rows and columns ({named}); retrieve strain puts the object upright."


def _solid(placed: PlacedObject, scales: ObjectScales, uncertainty: ImagePanel | None) -> SurfacePanel | None:
    """The surface of an object of three axes, coloured by its phase or its uncertainty."""
    if placed.x.ndim != 3 or not can_draw_surfaces():
        return None
    more = [] if uncertainty is None else [uncertainty]
    return object_surface(placed.x, placed.grid, scales.phase, placed.edges, more)


# diffraction and fit -------------------------------------------------------------------------------


def _diffraction_grid(panels: Sequence[ImagePanel]) -> ImageGrid:
    rows = [ImageRow([coarser(panel) for panel in row]) for row in zip(*(panel.sections() for panel in panels), strict=True)]
    through = "The whole detector" + ", cut through the peak" * (len(rows) > 1) + ", zero frequency in the middle."
    return ImageGrid(rows, through + " Grey: not measured." * bool(np.isnan(panels[0].values).any()))
