"""Figures 4 and 5: a pulse train, simulated since the measured one is not public, and its posterior samples."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..driver.solve import solve
from ..evaluate.analysis_summary import summary
from ..evaluate.analyze import analyze
from ..evaluate.metrics import amplitude_correlation, phase_similarity
from ..io.result import Result
from ..numerics.alignment import align
from ..prepare import PreparedTrain, Pulses, frames_of, prepare_pulses, read_calibration
from ..problem.likelihood import Poisson
from ..report.analysis_picture import analysis_picture
from ..simulate import TEST_SEED, PulseTrain, Recording, object_set, record
from ..simulate.pulses import write_recording
from .base import Effort, Line, Reproduction
from .gallery import DPI, STYLE
from .simulated import ours

TRAINING_SET = "domains2d-50-cells"
RANGES = ":24,-55:"
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
    with matplotlib.rc_context(STYLE):
        return Reproduction(how, lines, _figure4(made, results), details)


def fig5(effort: Effort) -> Reproduction:
    """Likeness of pairs, errors and modes of posterior samples of data set 2."""
    result = sampled(1, effort, effort.samples)
    made = analyze([result], ["data set 2"], of="samples", modes=2)
    told = summary(made)
    pairs, errors, nmf, svd = told["pairwise"], told["errors"]["chi2_diffraction"], told["nmf"], told["circular_svd"]
    narrow = "samples are of one posterior, whose width the counts set; the paper's also differ in the solution found"
    lines = [Line(f"median likeness of pairs, {name}", pairs[name]["median"], f"pairs {name}", narrow) for name in pairs]
    other = "depends on the data's noise and the scale of the normalisation to the maximum"
    lines += [
        Line("diffraction error, 5 %", errors["from"], "error from", other),
        Line("diffraction error, 95 %", errors["to"], "error to", other),
        Line("NMF of two modes, energy explained", nmf["explained"], "nmf explained", narrow),
        Line(
            "NMF, share of the first mode",
            nmf["fractions"][0],
            "nmf first",
            "NMF is seldom unique",
        ),
        Line("NMF, share of the second mode", nmf["fractions"][1], "nmf second", ""),
        Line("circular SVD, variance of the first mode", svd["fractions"][0], "svd first", narrow),
    ]
    how = f"{effort.samples} posterior samples of data set 2 (the last 55 kept frames) of the train of Figure 4"
    return Reproduction(how, lines, analysis_picture(made), {"analysis": told})


def _figure4(made: Recording, results: list[Result]) -> Figure:
    """Of each data set the pattern; of three samples amplitude, phase, pattern and its difference from the measured one."""
    samples = [result.samples for result in results]
    figure = Figure(figsize=(12, 7.2), dpi=DPI, layout="constrained")
    grid = figure.subplots(6, 6, width_ratios=[1.2, 1, 1, 1, 1, 0.02])
    for axes in grid.flat:
        axes.set_axis_off()
    r = np.argwhere(made.support)
    window = tuple(slice(a, b + 1) for a, b in zip(r.min(axis=0), r.max(axis=0), strict=True))
    for number, (result, drawn) in enumerate(zip(results, samples, strict=True)):
        assert drawn is not None
        problem = result.problem
        y, valid = (np.fft.fftshift(np.asarray(a)) for a in (problem.amplitude, problem.valid))
        y = np.where(valid, y, np.nan)
        top = np.nanmax(y)
        grid[3 * number, 0].imshow(np.log10(np.maximum(y / top, 1e-3)), cmap="magma", vmin=-3, vmax=0)
        grid[3 * number, 0].set_title(f"data set {number + 1}", fontsize=9)
        for k, one in enumerate(drawn[:3]):
            row = grid[3 * number + k]
            x = align(one, results[0].object, ramp=number > 0).object[window]
            f = np.abs(np.fft.fftshift(np.fft.fftn(one, norm="ortho")))
            row[1].imshow(np.abs(x), cmap="viridis")
            row[2].imshow(np.where(made.support[window], np.angle(x), np.nan), cmap="twilight", vmin=-np.pi, vmax=np.pi)
            row[3].imshow(np.log10(np.maximum(f / top, 1e-3)), cmap="magma", vmin=-3, vmax=0)
            row[4].imshow(np.abs(f - y) / top, cmap="inferno", vmin=0, vmax=0.1)
            if k == 0:
                for axes, title in zip(row[1:], ("amplitude", "phase", "pattern", "|difference|, to 0.1"), strict=False):
                    axes.set_title(title, fontsize=9)
    return figure
