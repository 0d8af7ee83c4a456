"""Recipes: algorithms in sequence, written as beamline users write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import OptionError
from ..numerics.arrays import Array
from ..plugins.options import build, option, options_of, unknown, values_of
from ..plugins.registry import find, registered
from ..problem import Problem
from .base import Solver, Step, Streams
from .coherence import Coherence
from .convergence import PATIENCE, TOLERANCE
from .gradient import ConjugateGradient
from .iterative import TWIN_CUT, Descent, Iterative, batch_for, begun_support, iterate
from .projections import ALGORITHMS
from .shrinkwrap import ShrinkWrap

PARTS: dict[str, type[Iterative | Descent]] = {**ALGORITHMS, ConjugateGradient.name: ConjugateGradient}


def parse(text: str, shared: dict[str, Any]) -> list[Iterative | Descent]:
    """The algorithms of a recipe such as ``3*(180 hio(beta=0.8) + 20 er) + 20 er``, in the order in which they run.

    Grammar: sum = term ('+' term)*; term = N '*' '(' sum ')' | N name ['(' option=value, … ')'].
    `shared` options hold for each part that does not state its own. Raises `OptionError` for any other text.
    """
    parts, rest = _sum(text, text, shared)
    if rest.strip():
        raise _error(text, f"unexpected {rest.strip()[:12]!r}")
    return parts


def _sum(rest: str, text: str, shared: dict[str, Any]) -> tuple[list[Iterative | Descent], str]:
    parts, rest = _term(rest, text, shared)
    while rest.lstrip().startswith("+"):
        more, rest = _term(rest.lstrip()[1:], text, shared)
        parts += more
    return parts, rest


def _term(rest: str, text: str, shared: dict[str, Any]) -> tuple[list[Iterative | Descent], str]:
    number = re.match(r"\s*(\d+)\s*", rest)
    if power := re.match(r"\s*([A-Za-z]\w*)\s*\*\*\s*(\d+)", rest):
        raise _error(text, f"the number comes first: {power[2]} {power[1].lower()} in place of {power[0].strip()}")
    if not number or int(number[1]) < 1:
        raise _error(text, f"a number of iterations or repeats was expected at {rest.strip()[:12]!r}")
    rest = rest[number.end() :]
    if rest.startswith("*"):
        group = re.match(r"\*\s*\(", rest)
        if not group and (named := re.match(r"\*\s*([A-Za-z]\w*)", rest)):
            raise _error(text, f"no * stands before a name: {number[1]} {named[1].lower()}")
        if not group:
            raise _error(text, f"'(' was expected after {number[1]}*")
        inner, rest = _sum(rest[group.end() :], text, shared)
        if not rest.lstrip().startswith(")"):
            raise _error(text, "a ')' is missing")
        return inner * int(number[1]), rest.lstrip()[1:]
    named = re.match(r"([A-Za-z_][\w-]*)\s*(?:\(([^()]*)\))?", rest)
    if not named:
        raise _error(text, f"the name of an algorithm was expected after {number[1]}")
    algorithm = _algorithm(named[1], text)
    stated = dict(pair.partition("=")[::2] for pair in re.split(r"\s*,\s*", named[2].strip())) if named[2] else {}
    own = {o.name for o in options_of(algorithm)}
    options = {k: v for k, v in shared.items() if k in own and v is not None} | {"iterations": number[1]} | stated
    return [build(algorithm, options)], rest[named.end() :]


def _algorithm(name: str, text: str) -> type[Iterative | Descent]:
    """An algorithm of ours by its name in any case, or one that a plugin registers. Raises `OptionError` for any other name."""
    if name.lower() in PARTS:
        return PARTS[name.lower()]
    known = registered("solvers")
    if name not in known:
        raise OptionError(f"recipe {text!r}: {unknown('algorithm', name, {*PARTS, *known})}")
    found: type[Solver] = find("solvers", name)
    if not issubclass(found, (Iterative, Descent)):
        raise OptionError(f"recipe {text!r}: {name} is a whole solver; a part is a subclass of Iterative or Descent")
    return found


def _error(text: str, what: str) -> OptionError:
    return OptionError(f"recipe {text!r}: {what}; write it like '3*(180 hio(beta=0.8) + 20 er) + 20 er'")


@dataclass(frozen=True)
class Recipe(Solver):
    """Run projection algorithms in sequence, with shrink-wrap throughout."""

    name: ClassVar[str] = "recipe"
    source: ClassVar[str] = "Robinson & Harder, Nat. Mater. 8, 291 (2009); Marchesini et al., PRB 68, 140101 (2003)"
    recipe: str = option("20 er + 3*(180 hio + 40 er) + 20 cg", "the algorithms and their iterations")
    beta: float | None = option(None, "relaxation of every part that states none; none: the algorithm's own", ge=-2, le=2)
    positivity: bool = option(False, "the object is real and non-negative")
    phase_min: float | None = option(None, "lowest phase of the object, rad; with phase_max", ge=-3.2, le=3.2)
    phase_max: float | None = option(None, "highest phase of the object, rad; with phase_min", ge=-3.2, le=3.2)
    tolerance: float = option(0.0, TOLERANCE, ge=0, lt=1)
    patience: int = option(100, PATIENCE, ge=1)
    twin_cut: int | None = option(2, f"{TWIN_CUT}; of the whole run, a part may state its own", ge=1)
    shrink_wrap: ShrinkWrap = ShrinkWrap(every=5)
    coherence: Coherence = Coherence(when="auto")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parts()

    def parts(self) -> list[Iterative | Descent]:
        """Return the algorithms in the order in which they run."""
        shared = {k: v for k, v in values_of(self).items() if k not in ("recipe", "twin_cut")}
        return parse(self.recipe, shared)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Run the parts."""
        support, earlier = begun_support(problem, x)
        return iterate(self.parts(), problem, x, support, None if earlier else self.twin_cut, rng)

    def shrink_wraps(self) -> Mapping[str, ShrinkWrap]:
        """Return that of the highest threshold, its own or that of a part."""
        stated = [part.shrink_wrap for part in self.parts() if isinstance(part, Iterative)]
        return {"shrink_wrap": max(stated, key=lambda wrap: wrap.threshold, default=self.shrink_wrap)}

    def batch_for(self, problem: Problem) -> int:
        """Return as many starts as are faster together than one by one."""
        return batch_for(problem, max(part.tolerance for part in self.parts()))

    @property
    def total(self) -> int | None:
        """Iterations of all parts."""
        return sum(part.iterations for part in self.parts())
