"""Solvers: `steps` of an algorithm, options as fields. `find(name)` gets any registered one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .learned.diffusion import Diffusion
    from .learned.dps import DPS
    from .learned.unet import UNet

__all__ = [
    "ALGORITHMS",
    "ASR",
    "DM",
    "DPS",
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
    "Diffusion",
    "Guided",
    "Iterative",
    "Recipe",
    "ShrinkWrap",
    "Solver",
    "Step",
    "Streams",
    "UNet",
    "first_support",
]

_LEARNED = {"Diffusion": "diffusion", "DPS": "dps", "UNet": "unet"}


def __getattr__(name: str) -> Any:
    """Import the learned solvers when they are used."""
    if name in _LEARNED:
        return getattr(importlib.import_module(f".learned.{_LEARNED[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
