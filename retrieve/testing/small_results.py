"""Small results for the checks of writers and panels: two and three axes, one start and several."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from typing import Any

import numpy as np

from ..evaluate.by_name import solve
from ..io.result import Result
from .problems import PROBLEM_SHAPES, small

FLAT, DEEP = PROBLEM_SHAPES[0], PROBLEM_SHAPES[2]
ITERATIONS = 20


def result_of(shape: tuple[int, ...], starts: int = 2) -> Result:
    """A result of HIO on the small problem of a shape, with arrays of its own."""
    return deepcopy(_solved(shape, starts))


@lru_cache(maxsize=4)
def _solved(shape: tuple[int, ...], starts: int) -> Result:
    return solve(f"hio:iterations={ITERATIONS}", small(shape), starts=starts, seed=0, verdict=False)


def arrays_of(result: Result) -> dict[str, Any]:
    """Copies of the arrays that nobody may change, by name."""
    names = ("object", "estimates", "supports", "held", "spread")
    found = {name: getattr(result, name) for name in names}
    found |= {"problem.amplitude": result.problem.amplitude, "problem.valid": result.problem.valid}
    return {name: np.array(array) for name, array in found.items() if array is not None}


def touched(result: Result, before: dict[str, Any]) -> str:
    """The name of an array that has changed since; empty if none has."""
    now = arrays_of(result)
    return next((name for name in before if not np.array_equal(before[name], now[name], equal_nan=True)), "")
