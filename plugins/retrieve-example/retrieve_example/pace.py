"""A third-party panel: how fast R falls in a run of `drap`."""

from __future__ import annotations

import numpy as np

import retrieve as rt

from .drap import DRAP


def pace(result: rt.Result) -> list[rt.CurvePanel | rt.TablePanel] | None:
    """The factor by which R falls from record to record, and R at the end; nothing for other solvers."""
    if result.manifest.get("solver") != DRAP.name:
        return None
    curves, last = [], []
    for number, history in enumerate(result.history):
        r = np.asarray(history["r"], float)
        last.append(float(r[-1]))
        curves.append(rt.ChartCurve(number, history["step"][1:], r[1:] / r[:-1], f"start {number}"))
    ends = rt.TablePanel("ends", "R at the end", [rt.Column("start", range(len(last))), rt.Column("R", last)])
    return [rt.CurvePanel("R against the record before", curves, "step", "factor", "the factor by which R falls"), ends]


def sample() -> rt.Result:
    """A result that the panel shows, by which `retrieve plugin check` tries it."""
    return rt.solve(DRAP(iterations=60), rt.example("crystal2d"), starts=2, verdict=False)


PANEL = rt.Panel("Pace of DRAP", pace, sample)
