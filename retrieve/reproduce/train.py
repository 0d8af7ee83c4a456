"""Figures 4 and 5: a pulse train, simulated since the measured one is not public, and its posterior samples."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..driver.solve import solve
from ..evaluate.analysis_summary import summary
from ..evaluate.analyze import analyze
from ..evaluate.metrics import amplitude_correlation, phase_similarity
from ..io.result import Result
from ..numerics.alignment import align
from ..numerics.grids import crop_to
from ..prepare import PreparedTrain, Pulses, frames_of, prepare_pulses, read_calibration
from ..problem.likelihood import Poisson
from ..report.analysis_picture import analysis_picture
from ..report.drawing.images import draw_grid
from ..report.drawing.style import new_figure, picture_style
from ..report.object_panels import ObjectScales, amplitude_and_phase, object_grid, object_scales
from ..report.panels import ColourScale, ImageGrid, ImagePanel, ImageRow
from ..report.pattern_panels import detector_grid
from ..simulate import TEST_SEED, PulseTrain, Recording, object_set, record
from ..simulate.pulses import write_recording
from .base import Effort, Line, Reproduction
from .gallery import PATTERN_SCALE
from .simulated import ours

TRAINING_SET = "domains2d-50-cells"
RANGES = ":24,-55:"
DIFFERENCE_SCALE = ColourScale("inferno", 0.0, 0.1, "|difference|")
SIMULATED = "a simulated train of known truth; the measured one is not public"


@lru_cache(maxsize=1)
def short_training() -> tuple[Recording, PreparedTrain]:
    """140 frames with calibration, and what preparation makes of them: sums of the first 24 and the last 55 kept."""
    made = record(object_set(TRAINING_SET), PulseTrain(), TEST_SEED)
    with tempfile.TemporaryDirectory() as folder:
        path = write_recording(made, Path(folder) / "train.h5")
        with frames_of([path]) as frames:
            roles = {role: f"{path}:/{role}" for role in ("dark", "gain", "flat", "background")}
            calibration = read_calibration(frames.shape, frames.always, **roles)
            return made, prepare_pulses(frames, Pulses(ranges=RANGES), calibration)


@lru_cache(maxsize=4)
def sampled(number: int, effort: Effort, samples: int) -> Result:
    """The diffusion solver on one sum under the elliptical support, with posterior samples."""
    made, prepared = short_training()
    problem = prepared.problems[number].replace(support=made.support, likelihood=Poisson())
    return solve(ours(effort), problem, starts=effort.starts, samples=samples)


def fig4(effort: Effort) -> Reproduction:
    """Three samples of each data set, and how alike the two are."""
    made, prepared = short_training()
    results = [sampled(number, effort, 3) for number in (0, 1)]
    first, second = (result.object for result in results)
    other = align(second, first, ramp=True, scale=True)
    kept, good = prepared.selection.kept, made.good
    alike = {
        "amplitude correlation": amplitude_correlation(first, other.object, made.support),
        "phase similarity": phase_similarity(first, other.object, made.support),
        "complex correlation": other.correlation,
    }
    lines = [
        Line("frames kept of 140", float(kept.sum()), None, "79 in the paper"),
        Line("precision of the selection", float((kept & good).sum() / kept.sum()), None, "against the planted bad pulses"),
        Line("recall of the selection", float((kept & good).sum() / good.sum()), None, "against the planted bad pulses"),
        *(Line(f"data set 1 against 2, {name}", value, "data sets alike", SIMULATED) for name, value in alike.items()),
    ]
    for number, result in enumerate(results, start=1):
        truth = align(result.object, made.truth, ramp=True).correlation
        error = float(np.median(analyze([result], ["one"], of="samples").errors["chi2_diffraction"]))
        lines += [
            Line(f"data set {number}, diffraction error", error, "experimental diffraction error", SIMULATED),
            Line(f"data set {number}, complex correlation with the truth", truth, None, "not to be had for measured data"),
        ]
    how = (
        f"simulated train of {TRAINING_SET}, object 0 of the test seed: 140 raw frames at 0.5 photons a pixel, prepared as in "
        f"the paper's section 4.3; known elliptical support; diffusion with Poisson likelihood, up to {effort.starts} starts, "
        f"three samples each"
    )
    details = {"steps": list(prepared.steps), "scores": [dataclasses.asdict(r.scores[r.chosen]) for r in results]}
    return Reproduction(how, lines, _figure4(made, results), details)


def fig5(effort: Effort) -> Reproduction:
    """Likeness of pairs, errors and modes of posterior samples of data set 2."""
    result = sampled(1, effort, effort.samples)
    made = analyze([result], ["data set 2"], of="samples", modes=2)
    figures = summary(made)
    pairs, errors, nmf, svd = figures["pairwise"], figures["errors"]["chi2_diffraction"], figures["nmf"], figures["circular_svd"]
    narrow = "samples are of one posterior, whose width the counts set; the paper's also differ in the solution found"
    lines = [Line(f"median likeness of pairs, {name}", pairs[name]["median"], f"pairs {name}", narrow) for name in pairs]
    other = "depends on the data's noise and the scale of the normalisation to the maximum"
    lines += [
        Line("diffraction error, 5 %", errors["from"], "error from", other),
        Line("diffraction error, 95 %", errors["to"], "error to", other),
        Line("NMF of two modes, energy explained", nmf["explained"], "nmf explained", narrow),
        Line("NMF, share of the first mode", nmf["fractions"][0], "nmf first", "NMF is seldom unique"),
        Line("NMF, share of the second mode", nmf["fractions"][1], "nmf second", ""),
        Line("circular SVD, variance of the first mode", svd["fractions"][0], "svd first", narrow),
    ]
    how = f"{effort.samples} posterior samples of data set 2 (the last 55 kept frames) of the train of Figure 4"
    return Reproduction(how, lines, analysis_picture(made), {"analysis": figures})


def _figure4(made: Recording, results: list[Result]) -> Figure:
    """Of each data set the pattern; of three samples amplitude, phase, pattern and its difference from the measured one."""
    crop = crop_to(made.support.astype(float), made.support)
    with picture_style():
        figure = new_figure((11, 10))
        parts = figure.subfigures(len(results), 1, squeeze=False)[:, 0]
        for number, (part, result) in enumerate(zip(parts, results, strict=True)):
            assert result.samples is not None
            aligned = [align(one, results[0].object, ramp=number > 0).object for one in result.samples[:3]]
            measured = np.sqrt(result.problem.data)
            scales = object_scales([x[crop] for x in aligned], None)
            rows = [_sample_row(x, crop, one, measured, scales) for x, one in zip(aligned, result.samples, strict=False)]
            shown = ImagePanel("measured", measured / np.nanmax(measured), PATTERN_SCALE, detector_grid(measured.shape))
            labelled = [ImageRow([shown if k == 0 else None, *row], f"sample {k + 1}") for k, row in enumerate(rows)]
            part.suptitle(f"data set {number + 1}")
            draw_grid(part, ImageGrid(labelled), ticks=False)
    return figure


def _sample_row(
    x: NDArray, crop: tuple[slice, ...], sample: NDArray, measured: NDArray, scales: ObjectScales
) -> list[ImagePanel]:
    """Amplitude and phase of an aligned sample, the sample's pattern, and its difference from the measured one."""
    top = np.nanmax(measured)
    pattern = np.abs(np.fft.fftshift(np.fft.fftn(sample, norm="ortho")))
    grid = detector_grid(pattern.shape)
    return [
        *amplitude_and_phase(x[crop], scales, object_grid([0, 0], {}), ""),
        ImagePanel("pattern", pattern / top, PATTERN_SCALE, grid),
        ImagePanel("difference", np.abs(pattern - measured) / top, DIFFERENCE_SCALE, grid),
    ]
