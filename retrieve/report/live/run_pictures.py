"""The pictures of a run under way: object, pattern and convergence, drawn as the result's are.

They are drawn while the solver computes, in another thread. So nothing here calls an operator, whose compiled passes are for one
thread at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ...driver.progress import Estimate
from ...operators import FarField
from ...problem import Problem
from ..object_panels import amplitude_and_phase, object_scales
from ..page.render import fragment
from ..panels import ChartCurve, CurvePanel, ImageGrid, ImagePanel, ImageRow
from ..pattern_panels import amplitude_unit, coarser, detector_grid, intensity_scale, intensity_unit
from ..result_panels import place_alone

Curves = Mapping[int, Sequence[tuple[float, float, float]]]
"""Of each start (step, R, R_free)."""


class RunPictures:
    """Draws estimates of one problem. What is the same in all of them is made once."""

    def __init__(self, problem: Problem) -> None:
        data = problem.data
        self.meta = problem.meta
        self.unit = intensity_unit(data)
        self.peak = tuple(int(i) for i in np.unravel_index(np.nanargmax(data), data.shape))
        scale = intensity_scale(data, f"intensity ({self.unit})")
        grid = detector_grid(data.shape)
        panel = ImagePanel("measured", data, scale, grid, "measured, intensity", cut=self.peak, unmeasured=True)
        self.measured = panel.sections()
        self.plain = isinstance(problem.operator, FarField) and problem.detector is None

    def draw(self, seen: Estimate, caption: str, curves: Curves, best: int) -> str:
        """The HTML of an estimate and of the curves of all starts; best: the one to stand out."""
        x = np.nan_to_num(seen.x)
        placed = place_alone(x, {} if seen.support is None else {"support": seen.support}, self.meta)
        scales = object_scales([placed.x], None, amplitude_unit(self.unit))
        panels = amplitude_and_phase(placed.x, scales, placed.grid, "the estimate", placed.support)
        shown = [[coarser(section) for section in panel.sections()] for panel in panels]
        rows = [ImageRow([row[0] for row in shown])] if x.ndim == 2 else [ImageRow(row) for row in shown]
        note = "Cut through the centre of mass. " * (x.ndim == 3) + "Cropped to the object; phase ramp and offset removed."
        return fragment(
            "live_run.html",
            caption=caption,
            object=ImageGrid(rows, note),
            diffraction=self._diffraction(x, seen.blurred),
            history=history_of(curves, best),
        )

    def _diffraction(self, x: NDArray[np.complex64], blurred: bool) -> ImageGrid:
        rows = [self.measured]
        if self.plain and x.any():
            shown = far_field_sections(x, self.peak)
            title = "calculated, before its blur" if blurred else "calculated"
            rows.append([self._calculated(title, panel, values) for panel, values in zip(self.measured, shown, strict=True)])
        rows = [[coarser(panel) for panel in row] for row in rows]
        rows = [[panel for row in rows for panel in row]] if x.ndim == 2 else rows
        note = "The whole detector" + ", cut through the peak" * (x.ndim == 3) + ", zero frequency in the middle."
        return ImageGrid([ImageRow(row) for row in rows], note)

    @staticmethod
    def _calculated(title: str, measured: ImagePanel, values: NDArray) -> ImagePanel:
        title = measured.title.replace("measured", title, 1)
        return replace(measured, title=title, alt=title, values=values, unmeasured=False)


def far_field_sections(x: NDArray[np.complex64], peak: Sequence[int]) -> list[NDArray[np.floating]]:
    """The intensity of the far field of x (*shape), zero frequency in the middle; of a volume, its sections through `peak`.

    A section of the transform is the transform of a projection, so no volume is transformed.
    """
    if x.ndim == 2:
        planes = [x]
    else:
        planes = []
        for axis, (n, at) in enumerate(zip(x.shape, peak, strict=True)):
            wave = np.exp(-2j * np.pi * (at - n // 2) * np.arange(n) / n).astype(np.complex64)
            planes.append(np.tensordot(wave, x, (0, axis)))
    return [np.fft.fftshift(np.abs(scipy.fft.fft2(plane, workers=1)) ** 2) / x.size for plane in planes]


def history_of(curves: Curves, best: int) -> CurvePanel:
    """R and R_free of each start against the step, the best on top."""
    made = []
    for start in sorted(curves, key=lambda start: start == best):
        if len(curves[start]) < 2:
            continue
        steps, r, free = np.array(curves[start], float).reshape(-1, 3).T
        for series, (values, name) in enumerate(((r, "R"), (free, "R_free"))):
            if np.any(values[np.isfinite(values)] > 0):
                label = f"{name}, start {start}" if start == best else ""
                made.append(ChartCurve(series, steps, values, label, dashed=name == "R_free", pale=start != best))
    note = "Pale: the other starts." * (len(curves) > 1)
    return CurvePanel("R against the step", made, "step", "R", "R and R_free of each start", note, log=True, wide=True)
