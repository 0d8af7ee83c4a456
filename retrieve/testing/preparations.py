"""Checks of preparations: their options, and counts and mask that come back as those of the same scan."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.records import to_json
from ..geometry.experiment import Experiment
from ..io.counts import Counts
from ..plugins.options import options_of, values_of
from ..prepare.preparation import Preparation, apply_one
from .case import Checks, require
from .watch import within

SECONDS = 20.0
SHAPE = (11, 24, 20)

checks = Checks(lambda subject: subject() if isinstance(subject, type) else subject)


def _scan() -> tuple[Counts, Experiment]:
    """A peak on a background, a row and some single voxels not measured, with the geometry of a rocking scan."""
    rng = np.random.default_rng(0)
    squares = np.meshgrid(*((np.arange(n) - n // 2) ** 2 for n in SHAPE), indexing="ij", sparse=True)
    values = rng.poisson(0.5 + 500 * np.exp(-sum(squares) / 20)).astype(np.float32)
    valid = rng.random(SHAPE) > 0.02
    valid[:, 3] = False
    angles: dict[str, Any] = {"eta": tuple(10 + 0.01 * k for k in range(SHAPE[0])), "delta": 30.0}
    known = Experiment(diffractometer="id01", energy_kev=9.0, distance_m=1.0, pixel_size_um=(55, 55), angles_deg=angles)
    return Counts(np.where(valid, values, 0).astype(np.float32), valid), known


@checks.add("frozen dataclass of options")
def declared(step: Preparation) -> None:
    """Its fields are options with help, numbers with bounds, and a file can hold their values."""
    kind = type(step)
    own = vars(kind).get("__dataclass_params__")
    require(own is not None and own.frozen, f"put @dataclass(frozen=True) over {kind.__name__}")
    for field in dataclasses.fields(step):
        require("help" in field.metadata, f"field {field.name} is no option; declare it with retrieve.option")
    for option in options_of(kind):
        require(option.help.strip(), f"option {option.name} has no help; give one sentence")
        number = option.type in (int, float)
        require(option.bounds or not number, f"option {option.name} is a number without range; give bounds such as gt=0")
    to_json(values_of(step))


@checks.add("name and docstring", declared)
def named(step: Preparation) -> None:
    """It has its registered name, and a docstring."""
    require(step.name.strip(), f"{type(step).__name__}.name is {step.name!r}; give the name that --apply takes")
    own = vars(type(step)).get("__doc__") or ""
    require(own.strip() and not own.startswith(f"{type(step).__name__}("), "it has no docstring; write one line of what it does")


@checks.add("counts and mask of the same scan", declared)
def applies(step: Preparation) -> None:
    """It keeps the shape, measures no voxel anew, and leaves counts, with the geometry and without."""
    counts, known = _scan()
    for experiment in (known, Experiment()):
        try:
            within(SECONDS, partial(apply_one, step, counts, experiment))
        except InputError:
            if experiment is known:
                raise  # without the geometry a step may refuse


@checks.add("same scan, same counts", applies)
def repeats(step: Preparation) -> None:
    """Two calls on one scan give the same, whatever the global random numbers are."""
    counts, known = _scan()
    found = []
    for seed in range(2):
        np.random.seed(seed)  # noqa: NPY002  the generator that must not be asked
        found.append(apply_one(step, counts, known)[0])
    same = all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    require(same, "two calls on one scan differ; seed random numbers by an option")
