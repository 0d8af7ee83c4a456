"""Whether to trust a result: solved, several solutions, or not solved, with a calibrated probability. No truth is used.

The probability is that of a complex correlation above 0.95 with the true object. A logistic model takes it from how much
independent starts agree. `benchmarks/verdict.py` fits the model to blind runs on tuning objects and checks it on others.
Its numbers and their record are in `verdict.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.result import Result
from ..io.verdict import Verdict, current_evidence
from ..numerics.arrays import like, to_numpy
from ..numerics.stacks import align_all
from ..operators import PartialCoherence
from ..problem.scoring import standard_error
from .ensemble import agreement_matrix, clusters_of
from .metrics import INSIDE
from .support_agreement import SAME_OBJECT_CORRELATION, support_warnings

EQUAL_SCORE_FACTOR = 1.5
"""A group whose best score is within this factor of the best is as good a solution."""
MIN_OBJECT_SIDE = 3
"""Pixels a side of the smallest object that is judged; the pattern of a smaller one has no speckles, and any start agrees."""
STARTS_COMPARED = 8
"""Starts, the best by score, that are compared."""


def judge(result: Result) -> Verdict:
    """Judge a result by how much its starts agree and how well they predict held-out pixels.

    Parameters
    ----------
    result : Result
        A result of two starts or more. With one start, or an object of a few pixels, the label is "cannot tell".

    Returns
    -------
    Verdict
        Label, probability, evidence, words, and warnings on the support, a blur and a second grain.
    """
    usable = np.flatnonzero([score.failure is None for score in result.scores])
    warnings = (*support_warnings(result), *_blurred(result), *_shared(result))
    if (why := _alone(result, usable)) is not None:
        return Verdict("cannot tell", None, {}, why, warnings)
    pixels = int((np.abs(result.object) > INSIDE * np.abs(result.object).max()).sum())
    if pixels < MIN_OBJECT_SIDE**result.object.ndim:
        why = f"the object is a point of {pixels} pixels, and the pattern nearly flat: check that it holds speckles"
        return Verdict("cannot tell", None, {}, why, warnings)
    starts = usable[np.argsort([result.scores[k].rank for k in usable], kind="stable")][:STARTS_COMPARED]
    if result.chosen in starts:
        starts = np.array([result.chosen, *starts[starts != result.chosen]])
    aligned = align_all(result.estimates[starts], 0)
    alike = agreement_matrix(aligned)
    evidence = evidence_of(result, starts, aligned, alike)
    p = probability(evidence)
    ranks = np.array([result.scores[k].rank for k in starts])
    groups = [
        c
        for c in clusters_of(alike, SAME_OBJECT_CORRELATION)
        if ranks[c.members].min() <= EQUAL_SCORE_FACTOR * ranks.min() and len(c.members) > 1
    ]
    return Verdict(label_of(p, len(groups)), p, evidence, _words(evidence, len(usable), len(groups)), warnings)


def _blurred(result: Result) -> tuple[str, ...]:
    """That a blur of the pattern was fitted."""
    if not isinstance(result.problem.detector, PartialCoherence):
        return ()
    by = " × ".join(f"{width:.2f}" for width in result.problem.detector.widths)
    return (
        f"the fit assumed a blur of {by} px; an object with soft edges would look the same: run again with "
        "--coherence never, and compare R_free",
    )


def _shared(result: Result) -> tuple[str, ...]:
    """That pixels of a second grain were left out, so that nothing speaks against the object there."""
    alien = result.problem.meta.get("alien")
    if alien is None:
        return ()
    return (
        f"{alien['pixels']} px with {alien['share']:.1%} of the counts were left out, also of R, as a second grain's: look at "
        "the pattern there; if they belong to the object, run again with --second-grain never",
    )


def _alone(result: Result, usable: NDArray[np.intp]) -> str | None:
    """Why no two starts can be compared, None where two can."""
    if not np.abs(result.object).any():
        return "the object is empty"
    if len(usable) < 2:
        return "one start cannot agree with another: give --starts 2 or more, or compare solvers (`retrieve compare`)"
    if all(np.array_equal(result.estimates[k], result.estimates[usable[0]]) for k in usable[1:]):
        return "all starts are the same to the bit, and their agreement says nothing: compare with another solver"
    return None


def label_of(p: float, groups: int) -> str:
    """Solved if that is more probable than not; else several solutions, if more than one group of starts scores well."""
    return "solved" if p >= 0.5 else "several solutions" if groups > 1 else "not solved"


def evidence_of(result: Result, starts: NDArray[np.intp], aligned: NDArray, alike: NDArray) -> dict[str, float]:
    """The figures behind the probability, from starts (n,) of which the first is the chosen one.

    nearest_correlation: of the chosen start with the start that is most like it.  agreement_rate: share of the other starts
    that correlate with it by 0.9.  r_free: R on held-out pixels; R if there are none.  ratio: R_free over R.
    score_gap: the nearest start's score over the chosen one's.  prtf: of these two, over all amplitudes.
    outline_overlap: of their outlines.  starts: how many ran.  blurred: 1 if a blur was fitted, else 0.
    """
    nearest = 1 + int(np.argmax(alike[0, 1:]))
    a, b = np.abs(aligned[0]), np.abs(aligned[nearest])
    inside, other = a > INSIDE * a.max(), b > INSIDE * b.max()
    score = result.scores[starts[0]]
    free = score.r if score.r_free is None else score.r_free
    return {
        "nearest_correlation": float(alike[0, nearest]),
        "agreement_rate": float(np.mean(alike[0, 1:] >= SAME_OBJECT_CORRELATION)),
        "r_free": float(free),
        "ratio": float(free / max(score.r, 1e-30)),
        "score_gap": float(result.scores[starts[nearest]].rank / max(score.rank, 1e-30)),
        "prtf": _prtf(result, aligned[[0, nearest]]),
        "outline_overlap": float((inside & other).sum() / max(1, (inside | other).sum())),
        "starts": float(len(result.scores)),
        "blurred": float(isinstance(result.problem.detector, PartialCoherence)),
    }


def _prtf(result: Result, pair: NDArray) -> float:
    """Σ|mean F|/Σ√P of two aligned objects, the phase-retrieval transfer function over all measured pixels at once."""
    problem = result.problem
    fields = to_numpy(problem.operator.forward(like(pair.astype(np.complex64), problem.amplitude)))
    if fields.shape[1:] == problem.amplitude.shape:
        fields = fields * to_numpy(problem.valid)
    return float(np.abs(fields.mean(axis=0)).sum() / max(float(np.abs(fields).mean(axis=0).sum()), 1e-30))


# the model ----------------------------------------------------------------------------------------


def features(evidence: Mapping[str, float]) -> NDArray[np.float64]:
    """The evidence on scales on which a line may divide right from wrong, (features,)."""
    e = current_evidence(evidence)
    return np.array(
        [
            -math.log10(max(1 - e["nearest_correlation"], 1e-4)),
            e["agreement_rate"],
            -math.log10(min(max(e["r_free"], 1e-6), 1.0)),
            math.log10(min(max(e["ratio"], 0.1), 100.0)),
            math.log10(min(max(e["score_gap"], 0.1), 100.0)),
            -math.log10(max(1 - e["prtf"], 1e-4)),
            e["outline_overlap"],
            e["blurred"],
        ]
    )


@lru_cache(maxsize=1)
def model() -> dict[str, Any]:
    """The fitted numbers: mean, deviation and weight of each feature, bias, and the record of the fit."""
    fitted: dict[str, Any] = json.loads((files(__package__) / "verdict.json").read_text())
    return fitted


def probability(evidence: Mapping[str, float], fitted: Mapping[str, Any] | None = None) -> float:
    """The logistic model's probability that the object is right."""
    m = model() if fitted is None else fitted
    z = (features(evidence) - np.array(m["mean"])) / np.array(m["deviation"])
    return float(1 / (1 + np.exp(-(m["bias"] + z @ np.array(m["weight"])))))


def account_lines(result: Result) -> list[str]:
    """The solver's account and the reason of the choice, in lines: what holds for every start once, then each start's own."""
    shared = [line for line in result.account[0] if all(line in lines for lines in result.account)] if result.account else []
    own = [[line for line in lines if line not in shared] for lines in result.account]
    return shared + [f"start {k}: {'; '.join(lines)}" for k, lines in enumerate(own) if lines] + choice_lines(result)


def choice_lines(result: Result) -> list[str]:
    """Why the chosen start is not the one of the lowest R_free; empty if it is."""
    ranks = [score.rank for score in result.scores]
    lowest = int(np.argmin(ranks))
    if result.averaging is not None or result.held is None or ranks[result.chosen] <= ranks[lowest]:
        return []
    pixels = int(result.held.sum())
    return [
        f"start {result.chosen} is chosen (R_free {ranks[result.chosen]:.4g}), though start {lowest} has the lowest R_free "
        f"({ranks[lowest]:.4g}): on {pixels} held-out pixels both are within one standard error ({standard_error(pixels):.0%}), "
        "and the lower R decides"
    ]


def _words(e: Mapping[str, float], starts: int, groups: int) -> str:
    said = [
        f"the nearest other start correlates by {e['nearest_correlation']:.3f}",
        f"{e['agreement_rate']:.0%} of the others found the same object",
        f"R on held-out pixels is {e['ratio']:.1f} times R on fitted pixels (1.0 is ideal)",
        f"outlines overlap by {e['outline_overlap']:.0%}",
    ]
    if groups > 1:
        said.append(f"{groups} different groups of starts score about as well")
    return f"{starts} starts: " + "; ".join(said)
