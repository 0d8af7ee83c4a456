"""Figures 2 and 3 and the table of times: solvers on simulated films."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np

from ..driver.solve import solve
from ..evaluate.benchmarks import BENCHMARK_NOISE, Benchmark
from ..evaluate.compare import compare
from ..evaluate.comparison import Comparison
from ..evaluate.statistics import summarise
from ..evaluate.store import Store
from ..plugins.registry import find
from ..report.drawing.charts import draw_chart
from ..report.drawing.style import new_figure, picture_style
from ..report.panels import ChartCurve, CurvePanel
from ..simulate import TEST_SEED, Noise, object_set
from ..solvers import HIO, Solver
from .base import Effort, Line, Reproduction, paper
from .gallery import OURS, best, figure2, figure3

SETS = ("domains2d-50-cells", "domains2d-50-blobs")
PAPER_METRICS = {
    "amplitude_correlation": "amplitude correlation",
    "diffraction_correlation": "diffraction correlation",
    "chi2_diffraction": "diffraction error",
}
LOUD = "noise is a share of the largest amplitude, ten times the rms here: at 0.05 it is half of a typical signal"
MOVED = "a wrong object overlaps best when moved by a part of a pixel, which makes stripes of its walls; here it is not moved"
SETS_DIFFER = "the paper's films are not published; cells and blobs are two readings of them"
REMARKS = {  # by solver, or by solver and metric
    "hio amplitude correlation": "a smooth beam flatters it: wrong cells reach 0.9; HIO solves blobs without noise",
    "dps": "the paper's sampler with a smaller prior and from one start; its step size and schedule are not published",
    OURS: "another sampler: the denoiser inside RAAR",
}


class Entry(NamedTuple):
    """A solver, and from how many starts."""

    solver: Solver
    starts: int


def solvers(effort: Effort) -> dict[str, Entry]:
    """The paper's three, and ours."""
    return {
        "hio": Entry(HIO(iterations=500), effort.starts),
        "unet": Entry(find("solvers", "unet")(), 1),
        "dps": Entry(find("solvers", "dps")(begin="noise", timesteps=effort.timesteps), 1),
        OURS: Entry(ours(effort), effort.starts),
    }


def ours(effort: Effort) -> Solver:
    """The diffusion solver, of the effort asked for."""
    made: Solver = find("solvers", OURS)(search=effort.search, evaluations=effort.evaluations)
    return made


def compared(
    entries: Mapping[str, Entry], sets: tuple[str, ...], noise: list[float], objects: int, workers: int, store: Store | None
) -> Comparison:
    """One comparison of solvers that take different numbers of starts."""
    parts = [
        compare({label: entry.solver}, Benchmark(sets).cases(noise, objects), starts=entry.starts, workers=workers, store=store)
        for label, entry in entries.items()
    ]
    if any(part.settings["interrupted"] for part in parts):
        raise KeyboardInterrupt
    settings = {**parts[0].settings, "starts": {label: entry.starts for label, entry in entries.items()}}
    known = {label: what for part in parts for label, what in part.solvers.items()}
    rows, pictures = (tuple(chain.from_iterable(getattr(part, name) for part in parts)) for name in ("rows", "pictures"))
    return Comparison(settings, known, rows, pictures)


def record_of(whole: Comparison) -> dict[str, object]:
    """Settings, success rates and the seconds that all runs took, of which workers share, for the JSON."""
    rates = [
        {"set": s.group, "noise": s.noise, "solver": s.solver, "best": s.best, "objects": s.objects}
        | {"above_0.95": s.success95.rate, "median": s.medians.get("complex_correlation"), "failures": s.failures}
        for s in summarise(whole)
    ]
    seconds = sum(row.seconds for row in whole.rows if row.start is None and row.failure is None)
    return {"settings": dict(whole.settings), "solvers": dict(whole.solvers), "success": rates, "seconds": round(seconds, 1)}


def median(whole: Comparison, group: str, noise: float, solver: str, metric: str) -> float:
    """Over the objects, of the best by R_free."""
    values = [row.metrics[metric] for row in best(whole, group, noise, solver)]
    return float(np.median(values)) if values else float("nan")


def fig2(effort: Effort, store: Store | None = None) -> Reproduction:
    """HIO, the U-Net, the paper's sampler and ours without noise."""
    whole = compared(solvers(effort), SETS, [0.0], effort.objects, effort.workers, store)
    lines = []
    for group in SETS:
        for label in whole.solvers:
            for metric, words in PAPER_METRICS.items():
                key = f"{OURS if label == 'dps' else label} {words}"
                why = REMARKS.get(f"{label} {words}") or REMARKS.get(label) or SETS_DIFFER
                value = median(whole, group, 0.0, label, metric)
                lines.append(Line(f"{words}, {label}, {group}", value, key if key in paper()["values"] else None, why))
    how = (
        f"{effort.objects} objects of each set, test seed, no noise, support known; medians of the best by R_free "
        f"of {effort.starts} starts (HIO of 500 iterations, diffusion) or of one (U-Net, DPS of {effort.timesteps} steps)"
    )
    return Reproduction(how, lines, figure2(whole, 0.0), record_of(whole))


def fig3(effort: Effort, store: Store | None = None) -> Reproduction:
    """The diffusion solver at five noise levels."""
    whole = compared(
        {OURS: Entry(ours(effort), effort.starts)}, SETS, list(BENCHMARK_NOISE), effort.objects, effort.workers, store
    )
    lines = []
    for group in SETS:
        for level in BENCHMARK_NOISE:
            rows = best(whole, group, level, OURS)
            key, why = "noise to 0.05" if level <= 0.05 else f"noise {level:g}", LOUD if level >= 0.05 else SETS_DIFFER
            for metric in ("amplitude_correlation", "phase_similarity"):
                values = np.array([row.metrics[metric] for row in rows] or [np.nan])
                what = f"{metric.replace('_', ' ')}, σ = {level:g}, {group}"
                lines.append(Line(f"share above 0.99, {what}", float(np.mean(values > 0.99)), key, why))
                lines.append(Line(f"median, {what}", float(np.median(values)), key))
            if group == SETS[0]:  # the amplitude is the beam's, which the twin has, too
                lying = float(np.median([row.metrics["raw_amplitude_correlation"] for row in rows] or [np.nan]))
                lines.append(Line(f"median, amplitude correlation as it lies, σ = {level:g}, {group}", lying, key, MOVED))
    how = f"{effort.objects} objects of each set and level, test seed, support known; best of up to {effort.starts} starts"
    return Reproduction(how, lines, figure3(whole, list(BENCHMARK_NOISE)), record_of(whole))


def speed(effort: Effort) -> Reproduction:
    """Seconds of one reconstruction, one start each, alone on the machine's cores."""
    problems = [object_set(SETS[0]).problem(k, TEST_SEED, Noise(sigma=0.01)) for k in range(max(2, min(5, effort.objects)))]
    seconds = {}
    for label, entry in solvers(effort).items():
        spent = []
        for problem in problems:
            begun = time.perf_counter()
            solve(entry.solver, problem, starts=1, hold_out=0)
            spent.append(time.perf_counter() - begun)
        seconds[label] = float(np.median(spent[1:]))  # the first also loads weights
    machine = "on a processor's cores and not on a card; networks are smaller than the paper's"
    keys = {"hio": "seconds hio", "unet": "seconds unet", "dps": "seconds diffusion", OURS: "seconds diffusion"}
    theirs = {label: paper()["values"][keys[label]]["value"] for label in seconds}
    names = {
        "dps": f"dps, the paper's sampler, {effort.timesteps} steps",
        OURS: "diffusion, one start",
        "hio": "hio, 500 iterations",
    }
    lines = [Line(f"seconds, {names.get(label, label)}", value, keys[label], machine) for label, value in seconds.items()]
    ratio = f"by the paper's numbers {theirs[OURS] / theirs['hio']:.0f}"
    lines += [Line(f"{label} over hio, ratio", seconds[label] / seconds["hio"], None, ratio) for label in ("dps", OURS)]
    places = range(len(seconds))
    curves = [
        ChartCurve(0, places, list(seconds.values()), "here", marks=True, line=False),
        ChartCurve(1, places, [theirs[label] for label in seconds], "paper", marks=True, line=False),
    ]
    panel = CurvePanel("seconds a reconstruction", curves, None, "seconds", "seconds here", log=True, categories=list(seconds))
    with picture_style():
        figure = new_figure((6, 3))
        draw_chart(figure.subplots(), panel)
    how = f"one start, median of {len(problems) - 1} films of 64² px, all cores"
    return Reproduction(how, lines, figure, {"seconds": seconds})
