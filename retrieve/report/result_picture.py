"""Pictures of a result: the object, the diffraction it explains, and how the fit went."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.support_agreement import support_agreement
from ..io.conventions import SQUARE_TOLERANCE, whole_numbers
from ..numerics.alignment import shift_to_centre
from ..numerics.grids import SHOWN
from .cuts import Section, object_sections, pattern_sections, support_of, to_middle
from .figure import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..io.result import Result

DECADES = 7  # that a diffraction picture spans at most
UNMEASURED = "0.72"
WIDE_FIGURE = 110  # characters of a line above the picture


def plot(result: Result) -> Figure:
    """The picture of a result as a matplotlib Figure, not written anywhere; see `result_picture`."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    spread = None if result.spread is None else np.nan_to_num(result.spread)
    held = support_agreement(result)
    share = None if held is None else np.roll(held.share, shift_to_centre(np.nan_to_num(result.object)), range(held.share.ndim))
    x, support, spread = to_middle(np.nan_to_num(result.object), support_of(result), spread)
    measured, calculated = patterns(result)
    unit = unit_of(measured)
    peak = [int(i) for i in np.unravel_index(np.argmax(measured.filled(-1)), measured.shape)]

    layout = ConstrainedLayoutEngine(compress=x.ndim == 2, w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=(13.5, 7.5) if x.ndim == 2 else (17, 8.5), dpi=100, layout=layout)
    panels = _panels(figure, x.ndim, spread is not None)
    figure.suptitle(_headline(result), fontsize=12)
    _draw_object(panels, x, support, spread, result.problem.meta, amplitude_unit(unit))
    if held is not None and share is not None and spread is not None:
        _draw_held(panels, share, held.starts, object_sections(x, support, result.problem.meta))
    _draw_diffraction(panels, pattern_sections(peak, measured.shape), measured, calculated, unit)
    _draw_history(panels["history"], result)
    return figure


def result_picture(result: Result, path: str | Path | None = None) -> Figure:
    """Draw a result and, with a path, write it there: PNG, or what the suffix says (pdf, svg).

    Amplitude and phase (its ramp and offset removed) with the support's outline, spread over the starts with
    outlines of what the supports of all starts that agree hold and of what any does, measured and calculated
    intensity on one logarithmic scale, and the error curves of all starts.  In 3D, one cut an axis: through
    the object's centre of mass, through the pattern's peak.  The object's axes are px, or nm with
    `voxel_size_nm` (one number or one an axis) in the problem's meta.  The file is written beside its place and
    renamed.  Raises InputError for a suffix that cannot be drawn.
    """
    figure = plot(result)
    if path is not None:
        write_figure(figure, path)
    return figure


def _panels(figure: Figure, ndim: int, spread: bool) -> dict[str, Axes]:
    """The named panels; a 3D quantity has one a cut (amplitude0, amplitude1, amplitude2), object left, diffraction right."""
    if ndim == 2:
        grid: list[Any] = [["amplitude0", "phase0", "spread0" if spread else "history"], ["measured0", "calculated0", "history"]]
        return figure.subplot_mosaic(grid)
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    cuts = {name: [f"{name}{k}" for k in range(3)] for name in ("amplitude", "phase", "spread", "measured", "calculated")}
    seen: list[Any] = [cuts["amplitude"], cuts["phase"]] + [cuts["spread"]] * spread
    fitted: list[Any] = [cuts["measured"], cuts["calculated"], ["history"] * 3]
    return left.subplot_mosaic(seen) | right.subplot_mosaic(fitted)


# the object --------------------------------------------------------------------------------------


def _draw_object(
    panels: Mapping[str, Axes],
    x: NDArray,
    support: NDArray[np.bool_] | None,
    spread: NDArray | None,
    meta: Mapping[str, Any],
    unit: str,
) -> None:
    views = object_sections(x, support, meta)
    amplitude = np.abs(x)
    top = float(amplitude.max()) or 1.0
    phase = np.where(amplitude > SHOWN * top, np.angle(x), np.nan)
    rows: list[tuple[str, NDArray, dict[str, Any], str]] = [
        ("amplitude", amplitude, {"cmap": "viridis", "vmin": 0, "vmax": top}, f"amplitude ({unit})"),
        ("phase", phase, phase_scale(phase), "phase (rad)"),
    ]
    if spread is not None:
        scale = {"cmap": "magma", "vmin": 0, "vmax": float(spread.max()) or 1.0}
        rows.append(("spread", spread, scale, f"std of amplitude ({unit})"))
    for name, values, scale, label in rows:
        row = [panels[f"{name}{k}"] for k in range(len(views))]
        for axes, view in zip(row, views, strict=True):
            image = _show(axes, values[view.cut], view, name + view.title, scale)
            if support is not None:
                _outline(axes, support[view.cut], view, "0.3" if name == "phase" else "w")
        bar = row[0].figure.colorbar(image, ax=row, label=label, shrink=0.9)
        if name == "phase" and scale["vmax"] == np.pi:
            bar.set_ticks([-np.pi, 0, np.pi], labels=["−π", "0", "π"])


def _outline(axes: Axes, inside: NDArray[np.bool_], view: Section, colour: str, style: str = "solid") -> None:
    """A line along the pixels' edges around what is inside."""
    fine = inside.repeat(8, 0).repeat(8, 1)
    if fine.any() and not fine.all():
        axes.contour(fine, [0.5], colors=colour, linewidths=0.8, linestyles=style, extent=view.extent, origin="upper")


def _draw_held(panels: Mapping[str, Axes], share: NDArray, starts: int, views: Sequence[Section]) -> None:
    """On the spread, what the supports of all starts that agree hold, and what any of them does."""
    from matplotlib.lines import Line2D

    lines = [("c", share == 1, f"in the support of all {starts} that agree"), ("lime", share > 0, "of any of them")]
    row = [panels[f"spread{k}"] for k in range(len(views))]
    for axes, view in zip(row, views, strict=True):
        for colour, inside, _ in lines:
            _outline(axes, inside[view.cut], view, colour)
    handles = [Line2D([], [], color=colour, lw=0.8, label=label) for colour, _, label in lines]
    row[0].legend(handles=handles, fontsize=7, loc="lower left", handlelength=1, facecolor="0.25", labelcolor="w", framealpha=0.7)


def phase_scale(phase: NDArray) -> dict[str, Any]:
    """A cyclic map over ±π; a diverging one over less where all but some edge pixels stay far from wrapping."""
    seen = np.abs(phase[np.isfinite(phase)])
    limit = float(np.quantile(seen, 0.98)) if seen.size else np.pi
    if 0 < limit < np.pi / 2:
        return {"cmap": "coolwarm", "vmin": -limit, "vmax": limit}
    return {"cmap": "twilight", "vmin": -np.pi, "vmax": np.pi}


def _show(axes: Axes, values: NDArray, view: Section, title: str, scale: dict[str, Any]) -> Any:
    image = axes.imshow(values, extent=view.extent, interpolation="nearest", **scale)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(view.xlabel, fontsize=9)
    axes.set_ylabel(view.ylabel, fontsize=9, labelpad=1)
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=5)
    return image


# diffraction -------------------------------------------------------------------------------------


def patterns(result: Result) -> tuple[np.ma.MaskedArray, NDArray]:
    """Measured intensity, masked where not measured, and the calculated one; centred, on the detector."""
    problem = result.problem
    measured = np.ma.masked_array(np.asarray(problem.amplitude) ** 2, mask=~np.asarray(problem.valid))
    calculated = np.asarray(problem.intensity(np.nan_to_num(result.object)[None]))[0]
    return np.ma.masked_array(np.fft.fftshift(measured.data), np.fft.fftshift(measured.mask)), np.fft.fftshift(calculated)


def unit_of(measured: np.ma.MaskedArray) -> str:
    """The unit of an intensity that was kept as an amplitude: counts where its values are whole numbers."""
    return "counts" if whole_numbers(measured.compressed(), SQUARE_TOLERANCE) else "arb. units"


def amplitude_unit(unit: str) -> str:
    """The unit of the amplitude whose square has `unit`."""
    return f"√{unit}" if unit == "counts" else unit


def intensity_range(measured: np.ma.MaskedArray) -> tuple[float, float]:
    """The ends of a logarithmic scale for a pattern: at least one decade, at most `DECADES`."""
    seen = measured.compressed()
    top = float(seen.max())
    return min(max(float(seen[seen > 0].min()), top * 10.0**-DECADES), top / 10), top


def _draw_diffraction(
    panels: Mapping[str, Axes], views: Sequence[Section], measured: np.ma.MaskedArray, calculated: NDArray, unit: str
) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Patch

    floor, top = intensity_range(measured)
    scale = {"cmap": colormaps["inferno"].with_extremes(bad=UNMEASURED), "norm": LogNorm(floor, top)}
    row = [panels[f"{name}{k}"] for name in ("measured", "calculated") for k in range(len(views))]
    shown = [("measured", measured)] * len(views) + [("calculated", calculated)] * len(views)
    for axes, view, (name, pattern) in zip(row, [*views, *views], shown, strict=True):
        image = _show(axes, np.clip(pattern[view.cut], floor, None), view, name + view.title, scale)
    beyond = "both" if calculated.max() > top else "min"
    row[0].figure.colorbar(image, ax=row, label=f"intensity ({unit})", shrink=0.9, extend=beyond)
    if measured.mask.any():
        patch = Patch(facecolor=UNMEASURED, edgecolor="0.3", label="not measured")
        row[0].legend(handles=[patch], fontsize=8, loc="upper right", handlelength=1)


# the fit -----------------------------------------------------------------------------------------


def _draw_history(axes: Axes, result: Result) -> None:
    """R and the R_free of every start against the step, the chosen one on top."""
    for k in sorted(range(len(result.history)), key=lambda k: k == result.chosen):
        for key, name, colour in (("r", "R", "tab:blue"), ("r_free", "R_free", "tab:orange")):
            values = np.array(result.history[k].get(key, []), float)
            steps = np.array(result.history[k]["step"], float)[: values.size]
            good = np.isfinite(values) & (values > 0)
            style: dict[str, Any] = {"lw": 0.8, "alpha": 0.35}
            if k == result.chosen:
                style = {"lw": 2, "label": f"{name}, start {k}" + " (chosen)" * (result.averaging is None)}
            if good.any():
                axes.plot(steps[good], values[good], color=colour, marker="o" if good.sum() == 1 else "", ms=5, **style)
    if axes.lines:
        axes.set_yscale("log")
        axes.legend(fontsize=8)
    else:
        axes.text(0.5, 0.5, "no history", ha="center", va="center", transform=axes.transAxes, color="0.4")
    axes.set_title("error", fontsize=10)
    axes.set_xlabel("step", fontsize=9)
    axes.set_ylabel("R", fontsize=9)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(True, which="major", alpha=0.3)


def _headline(result: Result) -> str:
    score, starts = result.score, len(result.scores)
    failed = sum(s.failure is not None for s in result.scores)
    parts = [str(result.manifest["solver"])] if result.manifest.get("solver") else []
    parts.append(f"R {score.r:.3g}")
    if score.r_free is not None:
        parts.append(f"R_free {score.r_free:.3g}")
    shown = f"{result.chosen} chosen" if result.averaging is None else f"their {result.averaging}"
    parts.append("1 start" if starts == 1 else f"{starts} starts, {shown}" + f", {failed} failed" * bool(failed))
    if result.interrupted:
        parts.append("interrupted")
    verdict = [] if result.verdict is None else [f"verdict: {result.verdict.headline}", *result.verdict.warnings]
    return "\n".join(line for said in ["  ·  ".join(parts), *verdict] for line in textwrap.wrap(said, WIDE_FIGURE))
