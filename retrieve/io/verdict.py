"""The record of a verdict, as results keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from annotated_types import Ge, Le


class Verdict(NamedTuple):
    """How far to trust a result.

    Attributes
    ----------
    label : str
        "solved", "several solutions", "not solved", "outside calibration" or "cannot tell".
    probability : float or None
        Probability that the object is right, 0 to 1. None if it cannot be told.
    evidence : mapping
        The figures behind the verdict, all without a truth.
    words : str
        The same in a sentence.
    warnings : tuple of str
        Remarks on the pattern, on the support, on a blur that was fitted, and on a second grain.
    advice : str
        What to do next, empty for a result that is solved.
    """

    label: str
    probability: Annotated[float, Ge(0), Le(1)] | None
    evidence: Mapping[str, float]
    words: str
    warnings: tuple[str, ...] = ()
    advice: str = ""

    @property
    def headline(self) -> str:
        """Label and probability on one line."""
        return self.label if self.probability is None else f"{self.label} (probability of being right {self.probability:.0%})"

    def record(self) -> dict[str, Any]:
        """For a file."""
        return {**self._asdict(), "evidence": dict(self.evidence), "warnings": list(self.warnings)}


FORMER_EVIDENCE = {
    "partner": "nearest_correlation",
    "company": "agreement_rate",
    "level": "r_free",
    "gap": "score_gap",
    "transfer": "prtf",
    "closure": "outline_overlap",
}
"""Figures behind a verdict by their names in older files."""


def current_verdict(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a verdict by the names of today."""
    evidence = record.get("evidence")
    if not isinstance(evidence, Mapping):
        return dict(record)
    return {**record, "evidence": {FORMER_EVIDENCE.get(name, name): value for name, value in evidence.items()}}
