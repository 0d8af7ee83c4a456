"""The probability that an object is right, from the figures behind a verdict: boosted trees fitted to blind runs.

Right is a complex correlation above 0.95 with the truth, and one above 0.6 of the amplitudes inside the truth's outline, their
means removed. `benchmarks/verdict.py` fits the trees on tuning objects and checks them on others. Volumes have trees of their
own, which also see runs on two crystals, and the figure that tells them. The trees, the range of each figure and the record of
the fit are in `verdict.json`.

References
----------
Friedman, Ann. Stat. 29, 1189 (2001): gradient boosting. Monotone constraints: a probability never falls when starts agree more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

FIGURES: Mapping[str, int] = {
    "nearest_correlation": 1,
    "mean_correlation": 1,
    "agreement_rate": 1,
    "inner_correlation": 1,
    "outline_overlap": 1,
    "score_gap": 0,
    "prtf": 1,
    "prtf_least": 1,
    "r": -1,
    "r_free": -1,
    "ratio": -1,
    "excess": -1,
    "deviance": -1,
    "deviance_free": -1,
    "speckle_correlation": 1,
    "speckle_correlation_free": 1,
    "filled_minima": -1,
    "worst_pixel": -1,
    "contrast": 0,
    "structure_disagreement": -1,
    "structure_excess": -1,
    "structure_counts": 1,
    "fill": 0,
    "counts_per_voxel": 0,
    "pixels_per_voxel": 0,
    "asymmetry": 0,
    "may_be_real": 0,
    "blur": 0,
    "blur_gain": 0,
    "starts": 0,
    "dimensions": 0,
}
"""The figures that the trees see, with the sign of what a larger one does to the probability; 0 leaves it open."""


@lru_cache(maxsize=1)
def calibration() -> dict[str, Any]:
    """The fitted trees, the ranges of the figures among the runs, the bounds of an explained pattern, and the record."""
    fitted: dict[str, Any] = json.loads((files(__package__) / "verdict.json").read_text())
    return fitted


def probability(evidence: Mapping[str, float], fitted: Mapping[str, Any] | None = None) -> float:
    """The probability that the object is right. A figure that is NaN or not there is unknown."""
    m = (calibration() if fitted is None else fitted)["volume" if evidence.get("dimensions") == 3 else "plane"]
    log_odds = m["bias"] + sum(_leaf(tree, evidence) for tree in m["trees"])
    return 1 / (1 + math.exp(-log_odds))


def _leaf(tree: Mapping[str, list[Any]], evidence: Mapping[str, float]) -> float:
    """The value of the leaf that the evidence falls into. figure: the one that a node asks for, None in a leaf."""
    node = 0
    while (name := tree["figure"][node]) is not None:
        value = evidence.get(name, math.nan)
        left = tree["unknown_left"][node] if math.isnan(value) else value <= tree["threshold"][node]
        node = tree["left" if left else "right"][node]
    return float(tree["value"][node])


def outside(evidence: Mapping[str, float], fitted: Mapping[str, Any] | None = None) -> str | None:
    """The figure that lies farther out than in any run of the calibration, in words; None if there is none."""
    m = calibration() if fitted is None else fitted
    for name, (low, high) in m["ranges"].items():
        value = evidence.get(name, math.nan)
        if not math.isnan(value) and not low <= value <= high:
            return f"{name.replace('_', ' ')} is {value:.3g}, in the runs of the calibration {low:.3g} to {high:.3g}"
    return None
