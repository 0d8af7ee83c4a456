"""What a solve leaves: every start's estimate with its scores, the chosen one, and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Score:
    """How well one start explains the data. Lower is better everywhere.

    chi2: Σ(|F|−√I)²/ΣI over the pixels that the solver saw.
    free: the same on the held-out pixels, per pixel relative to the working pixels' mean intensity;
        None when nothing was held out.
    nll: negative log-likelihood per working pixel.
    failure: why this start has no usable estimate, else None.
    """

    chi2: float
    free: float | None = None
    nll: float = float("nan")
    failure: str | None = None

    @property
    def rank(self) -> float:
        """What starts are ordered by: the free score where there is one."""
        value = self.chi2 if self.free is None else self.free
        return float("inf") if self.failure or value != value else value


@dataclass(frozen=True)
class Cost:
    """What a solve spent, counted by the driver."""

    ffts: int = 0
    network_evaluations: int = 0
    seconds: float = 0.0
    steps: int = 0


@dataclass(frozen=True)
class Result:
    """A finished (or interrupted) solve, as NumPy arrays on the host.

    object: complex64 (*shape), the chosen estimate, centred at N//2.
    estimates: complex64 (starts, *shape), every start's estimate, in the order of the starts.
    supports: bool (starts, *shape) or None when the solver used none.
    scores: one `Score` a start.  chosen: index of the chosen start.
    history: one mapping a start of equally long lists: step, chi2, free.
    spread: float32 (*shape), standard deviation of the amplitude over the samples, or else over the aligned
        starts; None with one start (one sample has no spread).
    samples: complex64 (samples, *shape), posterior samples aligned to `object`, or None where none were asked for.
    held: bool (*detector), centred: the pixels that were held out of the fit.
    problem: what was solved; where the solver refined its detector operator, as the chosen start left it.
    combined: the score of `object` where it is a combination of starts and not the chosen one.
    account: what was done with each start, in words, by solvers that tell.
    verdict: whether the object is to be trusted, where it was judged (`retrieve.evaluate.verdict.judge`).
    manifest: everything that replays the run.
    """

    object: NDArray[np.complex64]
    estimates: NDArray[np.complex64]
    supports: NDArray[np.bool_] | None
    scores: tuple[Score, ...]
    chosen: int
    history: tuple[Mapping[str, list[float]], ...]
    cost: Cost
    problem: Any
    held: NDArray[np.bool_] | None = None
    spread: NDArray[np.float32] | None = None
    samples: NDArray[np.complex64] | None = None
    combined: Score | None = None
    interrupted: bool = False
    manifest: Mapping[str, Any] = field(default_factory=dict)
    account: tuple[tuple[str, ...], ...] = ()
    verdict: Any = None

    @property
    def support(self) -> NDArray[np.bool_] | None:
        """The chosen start's support."""
        return None if self.supports is None else self.supports[self.chosen]

    @property
    def score(self) -> Score:
        """The score of `object`: the chosen start's, unless starts were combined."""
        return self.combined or self.scores[self.chosen]

    @property
    def combination(self) -> str | None:
        """What of its starts `object` is, in words such as "mean"; None where it is the chosen start."""
        return None if self.combined is None else str(self.manifest.get("combine", "combination")).replace("-", " ")

    def save(self, path: str | Path) -> Path:
        """Write a CXI file (see `retrieve.io.cxi`) beside its place and rename it; returns the path."""
        from .cxi import write_result

        return write_result(self, Path(path))
