"""Locked benchmarks: which objects, which noise, how many starts, what each start may spend.

A benchmark's objects are drawn under `TEST_SEED`, on which nothing is trained or tuned, and its budget is
part of it, so that two tables under one name can be held side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from ..plugins.options import unknown

if TYPE_CHECKING:
    from .compare import CompareCase

BENCHMARK_NOISE = (0.0, 0.01, 0.05, 0.1, 0.2)  # σ as a share of the largest amplitude: Lee et al. 2026, section 5.1
DOMAIN_KINDS = ("blobs", "cells")


@dataclass(frozen=True)
class Benchmark:
    """Sets of simulated objects with the budget on which solvers are compared.

    sets: names that `simulate.named` knows.  noise: levels σ.  objects: how many of each set.
    starts: random starts.  ffts: Fourier transforms a start may take, 1000 for the paper's 500 iterations.
    """

    sets: tuple[str, ...]
    noise: tuple[float, ...] = BENCHMARK_NOISE
    objects: int = 100
    starts: int = 8
    ffts: int = 1000

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


BENCHMARKS = {
    "domains2d-50": Benchmark(tuple(f"domains2d-50-{kind}" for kind in DOMAIN_KINDS)),
    "domains2d": Benchmark(tuple(f"domains2d-{n}-{kind}" for n in (10, 25, 50, 100) for kind in DOMAIN_KINDS)),
    "crystal2d": Benchmark(("crystal2d", "crystal2d-strong")),
    "domains3d": Benchmark(("domains3d-fits", "domains3d-literal"), objects=20),
    "crystal3d": Benchmark(("crystal3d", "crystal3d-strong"), objects=20),
}


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`. Raises `InputError` for an unknown one, with the nearest."""
    if name not in BENCHMARKS:
        raise InputError(unknown("benchmark", name, BENCHMARKS))
    return BENCHMARKS[name]
