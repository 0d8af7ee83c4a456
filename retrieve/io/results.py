"""Reading results that `retrieve.io.result` wrote. Nothing of a result is used before all of it has been checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import h5py
import numpy as np
from annotated_types import Ge, Lt

from ..errors import InputError, RetrieveError
from ..files import check_array, parsing
from ..operators import FarField, Pad, PartialCoherence
from ..problem import Problem
from ..problem.likelihood import stored_likelihood
from .cxi import KERNEL
from .hdf5 import open_hdf5
from .history import read_history, read_stages
from .manifest import RESULT, Manifest, current_manifest
from .measurement import load
from .parts import Parts
from .result import SCORES, Cost, Result, Score
from .uncertainty import Uncertainty, UncertaintyRecord
from .verdict import Verdict, current_verdict

MADE = "image_1/process_1/results"
Account = tuple[tuple[str, ...], ...]
Amount = Annotated[int | float, Ge(0)]


def read_result(path: str | Path) -> Result:
    """Read a result of `retrieve run` or `Result.save`.

    The problem has its data, mask, support, truth, meta and likelihood. Its operator is the plain or zero-padded far field;
    meta["operator"] names any other operator.

    Parameters
    ----------
    path
        A CXI file.

    Returns
    -------
    Result
        The result.

    Raises
    ------
    InputError
        For any other file.
    """
    path = Path(path)
    try:
        with parsing(path, "a result of retrieve"):
            return _read(path)
    except RetrieveError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _read(path: Path) -> Result:
    measurement = load(path)
    if not h5py.is_hdf5(path):
        raise InputError(f"{path} holds no result of retrieve; give a file written by `retrieve run` or Result.save")
    with open_hdf5(path) as file:
        if "entry_1/starts/objects" not in file:
            raise InputError(f"{path} holds no result of retrieve; give a file written by `retrieve run` or Result.save")
        parts = Parts(path, file["entry_1"], RESULT.remedy)
        RESULT.version_of(parts.group.attrs.get("format"), str(path))
        shape = parts.dataset("image_1/data").shape
        scores = _scores(parts)
        count = len(scores)
        estimates = parts.array("starts/objects", "c", (count, *shape), finite=False)
        for k, score in enumerate(scores):
            check_array(estimates[k], f"{path}: start {k}", "c", shape, RESULT.remedy, finite=score.failure is None)
        result = Result(
            object=parts.array("image_1/data", "c", shape),
            estimates=estimates,
            supports=_optional(parts, "starts/supports", "biu", (count, *shape), bool),
            scores=scores,
            chosen=parts.number(f"{MADE}/chosen", Annotated[int, Ge(0), Lt(count)]),
            history=read_history(parts),
            cost=Cost(*(parts.number(f"{MADE}/{n}", Amount) for n in ("ffts", "network_evaluations", "seconds", "steps"))),
            problem=_problem(measurement, parts, shape),
            held=_optional(parts, "held", "biu", measurement.data.shape, bool),
            spread=_optional(parts, "spread", "f", shape),
            samples=_optional(parts, "starts/samples", "c", (None, *shape)),
            averaged=_averaged(parts),
            interrupted=parts.number(f"{MADE}/interrupted", bool),
            manifest=parts.record("manifest", Manifest, current_manifest),
            account=parts.record("account", Account) if "account" in parts else (),
            x0=_starting_points(parts, shape),
            stages=read_stages(parts),
            verdict=parts.record("verdict", Verdict, current_verdict) if "verdict" in parts else None,
            uncertainty=_uncertainty(parts, shape) if "uncertainty" in parts else None,
        )
        parts.check_small()
    for name in ("history", "account", "stages"):
        if len(getattr(result, name)) not in (0, count):
            raise InputError(f"{path} has {name} of {len(getattr(result, name))} starts, not {count}; {RESULT.remedy}")
    return result


class Summary(NamedTuple):
    """What a result file says in a line, without its arrays."""

    manifest: Mapping[str, Any]
    score: Score
    verdict: Verdict | None
    seconds: float
    interrupted: bool


def read_summary(path: str | Path) -> Summary | None:
    """Read manifest, score and verdict of a result; None for any other file, and for one that cannot be read."""
    path = Path(path)
    try:
        with parsing(path, "a result of retrieve"), open_hdf5(path) as file:
            parts = Parts(path, file["entry_1"], RESULT.remedy)
            found = Summary(
                parts.record("manifest", Manifest, current_manifest),
                Score.of(_made(parts)),
                parts.record("verdict", Verdict, current_verdict) if "verdict" in parts else None,
                parts.number(f"{MADE}/seconds"),
                parts.number(f"{MADE}/interrupted", bool),
            )
            parts.check_small()
            return found
    except RetrieveError:
        return None


FORMER_DATASETS = {"r": "chi2", "r_free": "free", "score_r": "score_chi2", "score_r_free": "score_free", "averaged": "combined"}
"""The names of datasets in files of the first version."""


def _place(parts: Parts, group: str, name: str) -> str:
    """Where a number is, in a file of the first version, too."""
    now = f"{group}/{name}"
    return now if now in parts else f"{group}/{FORMER_DATASETS.get(name, name)}"


def _made(parts: Parts) -> list[float]:
    """The score of the object; NaN where the file is older than the deviance."""
    places = {name: _place(parts, MADE, name) for name in SCORES}
    return [math.nan if "deviance" in name and at not in parts else parts.number(at) for name, at in places.items()]


def _averaged(parts: Parts) -> Score | None:
    """The score of an object that is an average of starts."""
    at = _place(parts, MADE, "averaged")
    return Score.of(_made(parts)) if at in parts and parts.number(at, bool) else None


def _scores(parts: Parts) -> tuple[Score, ...]:
    failures = parts.texts("starts/failure")
    columns = []
    for name in SCORES:
        at = _place(parts, "starts", f"score_{name}")
        lacks = "deviance" in name and at not in parts  # the file is older
        columns.append([math.nan] * len(failures) if lacks else parts.array(at, "fiu", (len(failures),), finite=False))
    return tuple(Score.of(numbers, why or None) for why, *numbers in zip(failures, *columns, strict=True))


def _optional(parts: Parts, place: str, kinds: str, shape: tuple[int | None, ...], kind: type | None = None) -> Any:
    """An array that a result need not have. It may hold NaN."""
    if place not in parts:
        return None
    array = parts.array(place, kinds, shape, finite=False)
    return array if kind is None else array.astype(kind)


def _starting_points(parts: Parts, shape: tuple[int, ...]) -> np.ndarray | None:
    if "starts/x0" not in parts:
        return None
    several = len(parts.dataset("starts/x0").shape) > len(shape)
    return parts.array("starts/x0", "cf", (None, *shape) if several else shape)


def _uncertainty(parts: Parts, shape: tuple[int, ...]) -> Uncertainty:
    return Uncertainty(
        **parts.record("uncertainty/record", UncertaintyRecord), relative=_optional(parts, "uncertainty/data", "f", shape)
    )


def _problem(m: Any, parts: Parts, inside: tuple[int, ...]) -> Problem:
    """The problem as it was solved, with its meta, and padded if the object is smaller than the data."""
    meta, outside = dict(m.meta), m.data.shape
    likelihood = stored_likelihood(meta.pop("likelihood", None))
    if (operator := parts.text("image_1/process_1/configuration/forward_operator")) != "FarField":
        meta["operator"] = operator
    bare = Problem.from_arrays(intensity=m.data, mask=m.mask, meta=meta, likelihood=likelihood)
    if inside != outside and len(inside) == len(outside) and all(i <= o for i, o in zip(inside, outside, strict=True)):
        bare = bare.replace(operator=FarField(outside) @ Pad(inside, outside))
    if KERNEL in parts:
        bare = bare.replace(detector=PartialCoherence(np.fft.ifftshift(parts.array(KERNEL, "f", outside))))
    for name, array, kinds in (("support", m.support, "biuf"), ("truth", m.truth, "cf")):
        if array is not None:
            check_array(array, f"{parts.path}: {name}", kinds, inside, parts.remedy)
    support = None if m.support is None else m.support.astype(bool)
    return bare.replace(support=support, truth=m.truth)
