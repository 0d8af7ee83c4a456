"""The error curve of a result: R and R_free by step, and the steps at which stages begin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..io.result import Result
from .panels import ChartCurve, ChartMark, CurvePanel

LEAST_GAP = 0.025  # of the axis between two numbers, so that they do not overlap


def history_panel(result: Result) -> CurvePanel:
    """R and R_free of every start against the step, the chosen one on top, and the stages of that one."""
    curves = []
    for k in sorted(range(len(result.history)), key=lambda k: k == result.chosen):
        for series, (key, name) in enumerate((("r", "R"), ("r_free", "R_free"))):
            values = np.array(result.history[k].get(key, []), float)
            if np.any(values[np.isfinite(values)] > 0):
                label = f"{name}, start {k}" + " (chosen)" * (result.averaging is None) if k == result.chosen else ""
                steps = result.history[k]["step"]
                curves.append(ChartCurve(series, steps, values, label, dashed=key == "r_free", pale=k != result.chosen))
    begins = stage_marks(result.stages[result.chosen], curves) if result.stages and curves else ()
    note = "Pale: the other starts. " * (len(result.history) > 1) + f"Numbers: stages of start {result.chosen}." * bool(begins)
    title, alt = "R against the step", "R and R_free of each start against the step"
    return CurvePanel(title, curves, "step", "R", alt, note.rstrip(), log=True, wide=True, begins=begins)


def stage_marks(stages: Sequence[tuple[int, str]], curves: Sequence[ChartCurve]) -> tuple[ChartMark, ...]:
    """A line for each stage, with its name where the name differs from the last and there is room; none of a single stage."""
    if len(stages) < 2:
        return ()
    ends = [float(step) for curve in curves for step in np.atleast_1d(curve.x)[[0, -1]]]
    gap = LEAST_GAP * (max(ends) - min(*ends, stages[0][0]))
    named, last = [ChartMark(stages[0][0], short_name(stages[0][1]))], stages[0][0]
    for (_, before), (step, stage) in pairwise(stages):
        name = short_name(stage) if short_name(stage) != short_name(before) and step - last >= gap else ""
        last = step if name else last
        named.append(ChartMark(step, name))
    return tuple(named)


def short_name(stage: str) -> str:
    """A stage without its figures: "all of the pattern, support 4660 voxels" is "all of the pattern"."""
    head, _, details = stage.partition(", ")
    return head if any(c.isdigit() for c in details) else stage
