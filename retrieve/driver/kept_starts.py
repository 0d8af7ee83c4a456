"""Finished starts in a folder, so that a run that was killed goes on from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..files import replacing
from ..io.cxi import to_json
from ..io.result import Cost
from ..problem.scoring import Score
from ..provenance import versions
from ..solvers.base import Solver
from .batch import RunContext
from .batch_result import Batch
from .conditions import conditions

RunGroup = Callable[[Solver, RunContext, Sequence[int], "np.ndarray | None"], Batch]
ARRAYS = ("estimate", "support", "excluded")


class KeptStarts:
    """The finished starts of one run, a file for each batch.

    A file is taken only if everything that decides the run is the same: options, weights, data, versions, sources, device.

    Parameters
    ----------
    folder : Path
        Where the files are. It is made when the first start is done.
    context : RunContext
        The run.
    problem : mapping of str to str
        The hashes of the problem's arrays.
    """

    def __init__(self, folder: Path, context: RunContext, problem: Mapping[str, str]) -> None:
        spec, source = context.spec, context.source
        decisive = {
            **replace(spec, averaging="best", keep=None, input={}).record(),
            **conditions(spec.solver, spec.likelihood, source.operator, source.detector),
            "device": context.where.name,
            "versions": versions(),
            "problem": dict(problem),
        }
        del decisive["processor"]
        self._folder, self._key = folder, sha256(to_json(decisive).encode()).hexdigest()[:16]
        self.seconds = 0.0
        """Seconds that the starts taken from the folder cost."""

    def read(self, numbers: Sequence[int]) -> Batch | None:
        """Return the batch of these starts; None if it is not there or cannot be read."""
        try:
            with np.load(self._place(numbers), allow_pickle=False) as file:
                said = json.loads(str(file["said"]))
                arrays: dict[str, Any] = {name: file.get(name) for name in ARRAYS}
                kernels = [file.get(f"kernel{k}") for k in range(len(numbers))]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        cost = Cost(**said["cost"])
        self.seconds += cost.seconds
        return Batch(
            **arrays,
            scores=[Score(**score) for score in said["scores"]],
            history=said["history"],
            kernels=kernels,
            cost=cost,
            interrupted=False,
            stopped={int(start): stop for start, stop in said["stopped"].items()},
            account=[tuple(lines) for lines in said["account"]],
            plans=frozenset(said.get("plans", ())),
        )

    def keep(self, numbers: Sequence[int], batch: Batch) -> Batch:
        """Write a batch, unless it was interrupted, and return it."""
        if batch.interrupted:
            return batch
        said: dict[str, Any] = {
            "scores": [asdict(score) for score in batch.scores],
            "history": list(batch.history),
            "cost": asdict(batch.cost),
            "stopped": batch.stopped,
            "account": list(batch.account),
            "plans": sorted(batch.plans),
        }
        arrays = {name: getattr(batch, name) for name in ARRAYS} | {f"kernel{k}": one for k, one in enumerate(batch.kernels)}
        self._folder.mkdir(exist_ok=True)
        with replacing(self._place(numbers)) as beside, beside.open("wb") as file:
            np.savez(file, said=json.dumps(said, default=float), **{name: a for name, a in arrays.items() if a is not None})
        return batch

    def around(self, run_group: RunGroup) -> RunGroup:
        """Return `run_group` as a function that takes what is kept, and keeps what it makes."""

        def taken_or_run(solver: Solver, context: RunContext, numbers: Sequence[int], x0: np.ndarray | None = None) -> Batch:
            known = self.read(numbers)
            return self.keep(numbers, run_group(solver, context, numbers, x0)) if known is None else known

        return taken_or_run

    def _place(self, numbers: Sequence[int]) -> Path:
        return self._folder / f"{self._key}-{numbers[0]:05d}-{len(numbers)}.npz"
