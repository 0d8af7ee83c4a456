"""Locked benchmarks: which objects, which noise, how many starts, what each start may spend.

A benchmark's objects are drawn under `TEST_SEED`, on which nothing is trained or tuned, and its budget is
part of it, so that two tables under one name from one machine can be held side by side. The budget is in seconds, in which
every solver comes to its own method. Every set of `retrieve simulate` is a benchmark, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from ..plugins.options import unknown
from ..plugins.registry import available, find, left_out

if TYPE_CHECKING:
    from .compare import CompareCase

BENCHMARK_NOISE = (0.0, 0.01, 0.05, 0.1, 0.2)  # σ as a share of the largest amplitude: Lee et al. 2026, section 5.1
DOMAIN_KINDS = ("blobs", "cells")
SECONDS = {2: 15.0, 3: 60.0}
"""By the number of axes. On one core, one round of four starts of `diffusion` takes about 12 s on 64² and 50 s on 32³."""
OBJECTS = {2: 100, 3: 20}


@dataclass(frozen=True)
class Benchmark:
    """Sets of simulated objects with the budget on which solvers are compared.

    Parameters
    ----------
    sets
        Names that `simulate.object_set` knows.
    noise
        Levels σ of the amplitude noise, as a share of the largest amplitude.
    objects
        Number of objects of each set.
    starts
        Random starts that run together at most.
    seconds
        The time that a solver may spend on an object, all its starts together, s.
    """

    sets: tuple[str, ...]
    noise: tuple[float, ...] = BENCHMARK_NOISE
    objects: int = 100
    starts: int = 4
    seconds: float = SECONDS[2]

    def cases(self, noise: Sequence[float] | None = None, objects: int | None = None, first: int = 0) -> Iterator[CompareCase]:
        """The problems: of each set, at each level (the benchmark's unless given), objects from number `first` on.

        Raises `InputError` for a level outside 0 to 1 or a number of objects below 1.
        """
        from ..simulate import TEST_SEED, Noise, object_set
        from .compare import CompareCase

        levels = self.noise if noise is None else tuple(float(level) for level in noise)
        count = self.objects if objects is None else objects
        if count < 1:
            raise InputError(f"objects={count} is out of range; give at least 1")
        made = [(level, Noise(sigma=level)) for level in levels]  # bad levels are told before the first is run

        def each() -> Iterator[CompareCase]:
            for name in self.sets:
                for level, noise_ in made:
                    for number in range(first, first + count):
                        yield CompareCase(name, level, number, object_set(name).problem(number, TEST_SEED, noise_))

        return each()


def _of(*sets: str, axes: int = 2) -> Benchmark:
    return Benchmark(sets, objects=OBJECTS[axes], seconds=SECONDS[axes])


BENCHMARKS = {
    "domains2d-50": _of(*(f"domains2d-50-{kind}" for kind in DOMAIN_KINDS)),
    "domains2d": _of(*(f"domains2d-{n}-{kind}" for n in (10, 25, 50, 100) for kind in DOMAIN_KINDS)),
    "crystal2d": _of("crystal2d", "crystal2d-strong"),
    "domains3d": _of("domains3d-fits", "domains3d-literal", axes=3),
    "crystal3d": _of("crystal3d", "crystal3d-strong", axes=3),
}


def benchmark_names() -> tuple[str, ...]:
    """The names that `benchmark` knows: the benchmarks of several sets, then the other sets."""
    from ..simulate import set_names

    return tuple(dict.fromkeys((*available("benchmarks"), *set_names())))


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`, or that of one set, whose options may follow a colon.

    Raises `InputError` for an unknown name, with the nearest, and for an option that the set lacks.
    """
    from ..simulate import object_set, set_names

    if name in BENCHMARKS or name in available("benchmarks"):
        found: Benchmark = find("benchmarks", name)
        return found
    if name.partition(":")[0] not in set_names():
        raise InputError(unknown("benchmark", name, benchmark_names()) + left_out("benchmarks"))
    return _of(name, axes=len(object_set(name).shape))
