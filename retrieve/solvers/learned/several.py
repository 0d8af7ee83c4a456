"""Solvers that try several priors where the support is not known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from ...errors import InputError
from ...problem import Problem
from .base import Learned


def is_blind(problem: Problem) -> bool:
    """Whether several priors may be tried on a problem: it has two axes and no known support."""
    return problem.support is None and len(problem.shape) == 2


@dataclass(frozen=True)
class Several(Learned):
    """A solver whose `weights` may name several priors with + between. `auto` means all of `BLIND` where `is_blind`."""

    BLIND: ClassVar[tuple[str, ...]] = ("crystals2d", "domains2d")

    @property
    def alternatives(self) -> list[Self]:
        """This solver with each of its priors alone."""
        names = [self.weights] if Path(self.weights).is_file() else self.weights.split("+")
        return [self] if len(names) == 1 else [replace(self, weights=name) for name in names]

    @property
    def families(self) -> tuple[str, ...]:
        """All that `auto` may take."""
        return (self.family, "crystals{}d")

    def resolve_for(self, problem: Problem) -> Self:
        """Replace `auto` by the weights that ship for the problem."""
        from ...priors.weights import shipped

        names = [name for name in self.BLIND if name in shipped()] if self.weights == "auto" and is_blind(problem) else []
        return replace(self, weights="+".join(names)) if names else super().resolve_for(problem)

    def record(self) -> dict[str, Any]:
        """As of any learned solver; the SHA-256 of each of several weights."""
        if len(self.alternatives) == 1:
            return super().record()
        records = {one.weights: one.record() for one in self.alternatives}
        sums = {name: record["weights_sha256"] for name, record in records.items() if "weights_sha256" in record}
        plugins = {name: record["prior_plugin"] for name, record in records.items() if "prior_plugin" in record}
        return {"weights_sha256": sums} | ({"prior_plugin": plugins} if plugins else {})

    def check_geometry(self, problem: Problem) -> None:
        """Raise `InputError` if a prior was not trained for the problem's geometry, or several are given for a known support."""
        if len(self.alternatives) == 1:
            super().check_geometry(problem)
            return
        if not is_blind(problem):
            raise InputError(
                f"weights {self.weights!r} are several, which are tried only in two dimensions without a known support; "
                f"give one of them"
            )
        for one in self.alternatives:
            one.check_geometry(problem)
