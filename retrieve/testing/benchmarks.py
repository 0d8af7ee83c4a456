"""Checks of benchmarks: their sets are known, and their first problems can be made."""

from __future__ import annotations

from ..evaluate.benchmarks import Benchmark
from ..simulate import object_set
from .case import Checks, require

checks = Checks()


@checks.add("sets are known")
def known(benchmark: Benchmark) -> None:
    """It has sets, and each is registered."""
    require(benchmark.sets, "it has no set; give the name of at least one")
    for name in benchmark.sets:
        object_set(name)


@checks.add("budget")
def budget(benchmark: Benchmark) -> None:
    """It has a noise level, objects, starts and seconds."""
    require(benchmark.noise, "it has no noise level; give at least 0")
    for name in ("objects", "starts", "seconds"):
        require(getattr(benchmark, name) > 0, f"{name}={getattr(benchmark, name)}; give a number above 0")


@checks.add("problems can be made", known, budget)
def made(benchmark: Benchmark) -> None:
    """The first object of the first set is measured at the first level."""
    require(next(benchmark.cases(objects=1)).problem.truth is not None, "its problems have no truth")
