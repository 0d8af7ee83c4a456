"""Solvers: `steps` of an algorithm, options as fields. `find(name)` gets any registered one."""

from .base import Solver, Step, Streams
from .blind.auto import Auto
from .coefficients import Coefficients
from .coherence import Coherence
from .constraint import Constraint
from .gradient import ConjugateGradient
from .guided import Guided
from .iterative import Iterative, first_support
from .projections import ALGORITHMS, ASR, DM, ER, HIO, HPR, OSS, PCHIO, RAAR, RRR, SF
from .recipe import Recipe
from .shrinkwrap import ShrinkWrap

__all__ = [
    "ALGORITHMS",
    "ASR",
    "DM",
    "ER",
    "HIO",
    "HPR",
    "OSS",
    "PCHIO",
    "RAAR",
    "RRR",
    "SF",
    "Auto",
    "Coefficients",
    "Coherence",
    "ConjugateGradient",
    "Constraint",
    "Guided",
    "Iterative",
    "Recipe",
    "ShrinkWrap",
    "Solver",
    "Step",
    "Streams",
    "first_support",
]
