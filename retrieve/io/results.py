"""Reading results that `retrieve.io.result` wrote."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from ..errors import InputError
from ..operators import FarField, Pad, PartialCoherence
from ..problem import Problem
from ..problem.likelihood import stored_likelihood
from .cxi import KERNEL
from .hdf5 import as_text, open_hdf5
from .measurement import load
from .result import SCORES, Cost, Result, Score
from .uncertainty import Uncertainty
from .verdict import Verdict, current_evidence


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
    measurement = load(path)
    if not h5py.is_hdf5(path):
        raise InputError(f"{path} holds no result of retrieve; give a file written by `retrieve run` or Result.save")
    with open_hdf5(path) as file:
        if "entry_1/starts/objects" not in file:
            raise InputError(f"{path} holds no result of retrieve; give a file written by `retrieve run` or Result.save")
        entry = file["entry_1"]
        starts, made = entry["starts"], entry["image_1/process_1/results"]
        supports = starts["supports"][()].astype(bool) if "supports" in starts else None
        failures = starts["failure"][()]
        columns = [np.broadcast_to(_number(starts, f"score_{name}"), len(failures)) for name in SCORES]
        scores = tuple(
            Score.of(numbers, as_text(why) or None) for numbers, why in zip(np.stack(columns, axis=1), failures, strict=True)
        )
        history = tuple(_history(starts["history"][i]) for i in sorted(starts["history"]))
        return Result(
            object=entry["image_1/data"][()],
            estimates=starts["objects"][()],
            supports=supports,
            scores=scores,
            chosen=int(made["chosen"][()]),
            history=history,
            cost=Cost(*(made[n][()].item() for n in ("ffts", "network_evaluations", "seconds", "steps"))),
            problem=_problem(measurement, entry),
            held=entry["held"][()].astype(bool) if "held" in entry else None,
            spread=entry["spread"][()] if "spread" in entry else None,
            samples=starts["samples"][()] if "samples" in starts else None,
            averaged=_averaged(made),
            interrupted=bool(made["interrupted"][()]),
            manifest=json.loads(as_text(entry["manifest"][()])),
            account=tuple(map(tuple, json.loads(as_text(entry["account"][()])))) if "account" in entry else (),
            x0=starts["x0"][()] if "x0" in starts else None,
            verdict=_verdict(json.loads(as_text(entry["verdict"][()]))) if "verdict" in entry else None,
            uncertainty=_uncertainty(entry["uncertainty"]) if "uncertainty" in entry else None,
        )


class Summary(NamedTuple):
    """What a result file says in a line, without its arrays."""

    manifest: Mapping[str, Any]
    score: Score
    verdict: Verdict | None
    seconds: float
    interrupted: bool


def read_summary(path: str | Path) -> Summary | None:
    """Read manifest, score and verdict of a result; None for any other file, and for one that cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            entry = file["entry_1"]
            made = entry["image_1/process_1/results"]
            return Summary(
                json.loads(as_text(entry["manifest"][()])),
                Score.of([_number(made, name) for name in SCORES]),
                _verdict(json.loads(as_text(entry["verdict"][()]))) if "verdict" in entry else None,
                float(made["seconds"][()]),
                bool(made["interrupted"][()]),
            )
    except (OSError, KeyError, ValueError, TypeError):
        return None


FORMER_DATASETS = {"r": "chi2", "r_free": "free", "score_r": "score_chi2", "score_r_free": "score_free", "averaged": "combined"}
"""The names of datasets in files of the first version."""


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    return group[name if name in group else FORMER_DATASETS.get(name, name)]


def _number(group: h5py.Group, name: str) -> Any:
    """One score or that of each start; NaN where the file is older than the deviance."""
    return math.nan if "deviance" in name and name not in group else _dataset(group, name)[()]


def _history(columns: h5py.Group) -> dict[str, list[float]]:
    now = {former: name for name, former in FORMER_DATASETS.items()}
    return {now.get(name, name): column[()].tolist() for name, column in columns.items()}


def _averaged(made: h5py.Group) -> Score | None:
    """The score of an object that is an average of starts."""
    if not any(name in made and made[name][()] for name in ("averaged", FORMER_DATASETS["averaged"])):
        return None
    return Score.of([_number(made, name) for name in SCORES])


def _verdict(record: dict[str, Any]) -> Verdict:
    return Verdict(**{**record, "evidence": current_evidence(record["evidence"]), "warnings": tuple(record["warnings"])})


def _uncertainty(group: h5py.Group) -> Uncertainty:
    record = json.loads(as_text(group["record"][()]))
    return Uncertainty.of(record, group["data"][()] if "data" in group else None)


def _problem(measurement: Any, entry: h5py.Group) -> Problem:
    """The problem as it was solved, with its meta, and padded if the object is smaller than the data."""
    m = measurement
    meta = dict(m.meta)
    likelihood = stored_likelihood(meta.pop("likelihood", None))
    if (operator := as_text(entry["image_1/process_1/configuration/forward_operator"][()])) != "FarField":
        meta["operator"] = operator
    bare = Problem.from_arrays(intensity=m.data, mask=m.mask, meta=meta, likelihood=likelihood)
    inside = entry["image_1/data"].shape
    if inside != m.data.shape and all(i <= o for i, o in zip(inside, m.data.shape, strict=True)):
        bare = bare.replace(operator=FarField(m.data.shape) @ Pad(inside, m.data.shape))
    if KERNEL in entry:
        bare = bare.replace(detector=PartialCoherence(np.fft.ifftshift(entry[KERNEL][()])))
    support = None if m.support is None else m.support.astype(bool)
    return bare.replace(support=support, truth=m.truth)
