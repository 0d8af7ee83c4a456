"""Checks of sets of simulated objects: their form, that their seed alone decides, and that they can be measured."""

from __future__ import annotations

import numpy as np

from ..files.records import to_json
from ..simulate import TUNE_SEED, Noise, ObjectSet
from .case import Checks, require
from .watch import within

SECONDS = 20.0
SEED = TUNE_SEED
PEAK = (0.1, 10.0)
"""The range of the peak amplitude, which is about 1."""

checks = Checks(lambda subject: subject() if isinstance(subject, type) else subject)


@checks.add("shape, type, support")
def form(made: ObjectSet) -> None:
    """Objects are complex64 (count, *shape), finite, of peak amplitude about 1, and zero outside their support."""
    x, support = within(SECONDS, lambda: made.generate(SEED, range(3)))
    wanted = (3, *made.shape)
    require(len(made.shape) in (2, 3), f"shape is {made.shape}; give two or three axes")
    require(x.shape == support.shape == wanted, f"objects {x.shape} and supports {support.shape}; both must be {wanted}")
    require(x.dtype == np.complex64 and support.dtype == bool, f"{x.dtype} and {support.dtype}; give complex64 and bool")
    require(np.isfinite(x).all(), "there are objects with NaN or infinity")
    require(not x[~support].any(), "objects are not zero outside their supports")
    peaks = np.abs(x).max(axis=tuple(range(1, x.ndim)))
    require(((peaks >= PEAK[0]) & (peaks <= PEAK[1])).all(), f"peak amplitudes are {peaks}; scale them to about 1")


@checks.add("seed and number decide", form)
def decided(made: ObjectSet) -> None:
    """An object depends on its seed and number alone: not on its neighbours, earlier calls or global generators."""
    many, _ = made.objects(4, SEED)
    np.random.seed(1)  # noqa: NPY002  the generator that must not be asked
    alone, _ = made.objects(1, SEED, first=2)
    require(np.array_equal(many[2], alone[0]), "object 2 alone differs from object 2 among four; draw from [seed, number]")
    other, _ = made.objects(1, SEED + 1, first=2)
    require(not np.array_equal(alone, other), "two seeds give the same object")
    require(not np.array_equal(many[0], many[1]), "objects 0 and 1 of a seed are the same")


@checks.add("can be measured", form)
def measured(made: ObjectSet) -> None:
    """A problem with its truth, and options that a file can hold."""
    problem = made.problem(0, SEED, Noise(sigma=0.05))
    require(problem.truth is not None and problem.shape == made.shape, "the problem has no truth of its shape")
    to_json(problem.meta["set"])
