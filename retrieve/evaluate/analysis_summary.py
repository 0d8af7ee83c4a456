"""The figures of an analysis as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import json_value, write_text
from .analyze import Analysis, Fineness
from .ensemble import upper
from .modes import Modes

BINS = 20


def summary(analysis: Analysis) -> dict[str, Any]:
    """All figures of an analysis that are no pictures: numbers, lists and text."""
    made = {
        "files": analysis.names,
        "kind": analysis.kind,
        "members": len(analysis.members),
        "left_out": analysis.left_out,
        "shape": analysis.members.shape[1:],
        "verdict": analysis.verdict,
        "reference": analysis.reference,
        "pairwise": {name: _distribution(upper(matrix)) for name, matrix in analysis.pairs.items()},
        "between_files": {name: analysis.between(name) for name in analysis.pairs} if len(analysis.names) > 1 else None,
        "errors": {name: _distribution(values) | {"values": values} for name, values in analysis.errors.items()},
        "scores": [{"r": score.r, "r_free": score.r_free} for score in analysis.scores],
        "clusters": [{"members": c.members, "agreement": c.agreement} for c in analysis.clusters],
        "threshold": analysis.threshold,
        "nmf": _shares(analysis.modes.amplitude),
        "circular_svd": _shares(analysis.modes.phase),
        "common_mode": analysis.modes.common,
        "curves": [_curve(one) for one in analysis.curves],
    }
    figures: dict[str, Any] = json_value(made)
    return figures


def write_summary(analysis: Analysis, path: str | Path) -> Path:
    """Write the summary as JSON beside its place and rename it; returns the path.

    Raises `InputError` when the place cannot be written.
    """
    return write_text(path, json.dumps(summary(analysis), indent=1, ensure_ascii=False, allow_nan=False))


def _distribution(values: NDArray[np.float64]) -> dict[str, Any]:
    counts, edges = np.histogram(values, BINS)
    low, high = np.quantile(values, (0.05, 0.95))
    centre = {"mean": values.mean(), "median": np.median(values), "std": values.std(), "from": low, "to": high}
    return {**centre, "number": values.size, "histogram": {"counts": counts, "edges": edges}}


def _shares(modes: Modes) -> dict[str, Any]:
    return {"fractions": modes.fractions, "explained": modes.explained}


def _curve(one: Fineness) -> dict[str, Any]:
    curve, reach = one.curve, one.curve.reach
    made: dict[str, Any] = {"name": curve.name, "of": one.of, "frequency": curve.frequency, "value": curve.value}
    made |= {"pixels": curve.pixels, "fit": curve.fit, "resolution": one.resolution._asdict(), "data": None}
    if reach is not None:
        end = None if reach.end is None else reach.frequency[reach.end]
        made["data"] = {"end": end, "threshold": reach.threshold, "signal": reach.signal, "hidden": reach.hidden}
    return made
