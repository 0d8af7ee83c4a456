"""Whether to trust a result: solved, several solutions, or not solved, with a calibrated probability. No truth is used.

First the pattern must be explained: a hot pixel, or a misfit larger than that of any right run, is never called solved. Then the
probability of a right object follows from `evidence_of`, by `calibration.probability`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..io.result import Result
from ..io.verdict import Verdict
from ..operators import PartialCoherence
from ..problem.hot_pixels import hot_pixels, hot_warning
from ..problem.scoring import standard_error
from .calibration import calibration, outside, probability
from .ensemble import clusters_of
from .evidence import Compared, compared, evidence_of, no_evidence, usable_starts
from .support_agreement import SAME_OBJECT_CORRELATION, support_warnings

EQUAL_SCORE_FACTOR = 1.5
"""A group whose best score is within this factor of the best is as good a solution."""
HOT_SHARE = 0.01
"""Share of the intensity in hot pixels from which they rule the fit."""
LOOSE_FILL, SURE = 0.5, 0.75
"""Share of its support that an object in a loose one fills, and the probability that a real object then needs."""
FILLED = 0.05
"""`filled_minima` from which another crystal may lie over the pattern. Of tuning runs of `auto` on volumes 7 % of the right ones
are above it, and 26 of 30 on two crystals."""
OVERFITTED_RATIO = 2.0
"""R_free over R from which the fit follows the noise."""


def judge(result: Result) -> Verdict:
    """Judge a result by how much its starts agree and how well they explain the data.

    Parameters
    ----------
    result : Result
        A result of two starts or more. With one start, or an object of a few pixels, the label is "cannot tell".

    Returns
    -------
    Verdict
        Label, probability, evidence, words, warnings, and what to do next.
    """
    usable = usable_starts(result)
    hot = hot_pixels(result.problem)
    warnings = (
        *((hot_warning(hot),) if hot else ()),
        *support_warnings(result),
        *_blurred(result),
        *_shared(result),
    )
    if (why := no_evidence(result, usable)) is not None:
        return Verdict("cannot tell", None, {}, why, warnings)
    found = compared(result, usable)
    evidence = evidence_of(result, found)
    groups = _groups(result, found)
    words = _words(evidence, len(usable), groups)
    if (why := unexplained(evidence)) is not None:
        p = float(calibration()["unexplained"]["right"])
        places = ", ".join(str(pixel.place) for pixel in hot[:3])
        advice = f"mask the hot pixels, first {places} (`--mask FILE`)" if evidence["hot_share"] > HOT_SHARE else CHECK_DATA
        return Verdict("not solved", p, evidence, f"{why}; {words}", warnings, advice)
    if (why := outside(evidence)) is not None:
        return Verdict("outside calibration", None, evidence, f"{why}; {words}", warnings, SIMULATE)
    p = probability(evidence)
    label = label_of(p, groups, asked(evidence))
    return Verdict(label, p, evidence, words, warnings, next_step(label, evidence, len(usable)))


CHECK_DATA = "check the mask, the centre, the background and the support (`retrieve inspect`)"
SIMULATE = "simulate an object like yours with your noise and mask, and run the same command (`retrieve simulate`)"


def unexplained(evidence: Mapping[str, float], fitted: Mapping[str, Any] | None = None) -> str | None:
    """Why the fit does not explain the pattern, None if it does.

    The bounds are those of `calibration`: no right run of it lies beyond them.
    """
    bound = (calibration() if fitted is None else fitted)["unexplained"]
    if evidence["hot_share"] > HOT_SHARE:
        return f"hot pixels hold {evidence['hot_share']:.0%} of the intensity"
    if evidence["excess"] > bound["excess"]:
        return (
            f"the data are not explained: R is {evidence['r']:.3g}, {evidence['excess']:.3g} more than noise explains "
            f"(right objects have at most {bound['excess']:.2g})"
        )
    if evidence["worst_pixel"] > bound["worst_pixel"] and evidence.get("deviance", math.inf) > bound["deviance"]:
        return f"the data are not explained: one pixel holds {evidence['worst_pixel']:.0%} of the misfit"
    return None


def _groups(result: Result, found: Compared) -> int:
    """How many groups of two starts or more score about as well as the best."""
    ranks = np.array([result.scores[k].rank for k in found.starts])
    return sum(
        ranks[cluster.members].min() <= EQUAL_SCORE_FACTOR * ranks.min() and len(cluster.members) > 1
        for cluster in clusters_of(found.alike, SAME_OBJECT_CORRELATION)
    )


def asked(evidence: Mapping[str, float]) -> float:
    """The probability from which a result is called solved.

    That is a half, and more where starts agree on wrong objects most often: for an object that may be real, and that fills less
    than half of its support.
    """
    return SURE if evidence["may_be_real"] and evidence["fill"] < LOOSE_FILL else 0.5


def label_of(p: float, groups: int, least: float = 0.5) -> str:
    """Solved from a probability of `least`; else several solutions, if more than one group of starts scores well."""
    return "solved" if p >= least else "several solutions" if groups > 1 else "not solved"


def next_step(label: str, evidence: Mapping[str, float], starts: int) -> str:
    """What to do next."""
    if label == "solved":
        return ""
    if label == "several solutions":
        return "compare the groups with `retrieve analyze`, and give a tighter support or more --starts"
    if evidence["nearest_correlation"] < SAME_OBJECT_CORRELATION:
        return f"the starts disagree: try --starts {2 * max(starts, 4)}, a support, or another --solver"
    if evidence.get("filled_minima", 0.0) > FILLED:
        return (
            "two crystals? More is measured in the minima than one object explains: measure one alone, or mask the other's peak "
            "(`retrieve prepare scan --aliens`, `--mask FILE`); a blur does the same, see --coherence"
        )
    if evidence["may_be_real"] and evidence["fill"] < LOOSE_FILL:
        return "the support is more than twice as large as the object: give a tighter one"
    if evidence["ratio"] > OVERFITTED_RATIO:
        return "the fit follows the noise: give a tighter support, or longer runs"
    return "the starts agree on an object that fits badly: check the support, the mask and the background (`retrieve inspect`)"


def _words(e: Mapping[str, float], starts: int, groups: int) -> str:
    said = [
        f"the nearest other start correlates by {e['nearest_correlation']:.3f}",
        f"{e['agreement_rate']:.0%} of the others found the same object",
        f"R on held-out pixels is {e['ratio']:{'.1f' if e['ratio'] < 100 else '.1g'}} times R on fitted pixels (1.0 is ideal)",
        f"outlines overlap by {e['outline_overlap']:.0%}",
    ]
    if "deviance" in e:
        said.insert(2, f"the deviance per pixel is {e['deviance']:.2f} (1.00 if noise explains the misfit)")
    if groups > 1:
        said.append(f"{groups} different groups of starts score about as well")
    return f"{starts} starts: " + "; ".join(said)


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
