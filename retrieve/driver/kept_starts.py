"""Finished starts in a folder, so that a run that was killed goes on from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NotRequired
from zipfile import ZipFile

import numpy as np
from typing_extensions import TypedDict

from ..errors import InputError
from ..files import Schema, check_array, check_claim, make_folder, parsing, read_record, replacing, to_json, write_record
from ..io.result import Cost
from ..problem.scoring import Score
from ..provenance import versions
from ..solvers.base import Solver
from .batch import RunContext
from .batch_result import Batch
from .conditions import conditions

RunGroup = Callable[[Solver, RunContext, Sequence[int], "np.ndarray | None"], Batch]
ARRAYS = ("estimate", "support", "excluded")


class BatchRecord(TypedDict):
    """A batch without its arrays."""

    scores: list[Score]
    history: list[dict[str, list[float]]]
    cost: Cost
    stopped: dict[int, int | None]
    account: list[tuple[str, ...]]
    plans: NotRequired[frozenset[str]]
    stages: NotRequired[list[list[tuple[int, str]]]]


BATCH = Schema("starts", BatchRecord, "the starts run again")


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
        self._shapes = tuple(source.shape), tuple(source.amplitude.shape)
        self.seconds = 0.0
        """Seconds that the starts taken from the folder cost."""

    def read(self, numbers: Sequence[int]) -> Batch | None:
        """Return the batch of these starts; None if it is not there or cannot be read."""
        path = self._place(numbers)
        try:
            with parsing(path, "starts"):
                batch = self._batch(path, len(numbers))
        except InputError:
            return None
        self.seconds += batch.cost.seconds
        return batch

    def _batch(self, path: Path, count: int) -> Batch:
        with ZipFile(path) as archive:
            check_claim(str(path), (sum(part.file_size for part in archive.infolist()),), 1, path.stat().st_size)
        with np.load(path, allow_pickle=False) as file:
            said = read_record(str(file["said"]), BATCH, str(path))
            arrays: dict[str, Any] = {name: file.get(name) for name in ARRAYS}
            kernels = [file.get(f"kernel{k}") for k in range(count)]
        inside, outside = (count, *self._shapes[0]), self._shapes[1]
        check_array(arrays["estimate"], "estimate", "c", inside, BATCH.remedy, finite=False)
        for name, array, kinds, shape in (
            ("support", arrays["support"], "b", inside),
            ("excluded", arrays["excluded"], "b", outside),
            *(("kernel", kernel, "f", outside) for kernel in kernels),
        ):
            if array is not None:
                check_array(array, name, kinds, shape, BATCH.remedy)
        if {len(said[name]) for name in ("scores", "history", "account")} != {count}:
            raise InputError(f"{path} does not hold {count} starts; {BATCH.remedy}")
        return Batch(**arrays, **said, kernels=kernels, interrupted=False)

    def keep(self, numbers: Sequence[int], batch: Batch) -> Batch:
        """Write a batch, unless it was interrupted, and return it."""
        if batch.interrupted:
            return batch
        said = {
            "scores": [asdict(score) for score in batch.scores],
            "history": list(batch.history),
            "cost": asdict(batch.cost),
            "stopped": batch.stopped,
            "account": list(batch.account),
            "plans": sorted(batch.plans),
            "stages": list(batch.stages),
        }
        arrays = {name: getattr(batch, name) for name in ARRAYS} | {f"kernel{k}": one for k, one in enumerate(batch.kernels)}
        make_folder(self._folder)
        with replacing(self._place(numbers)) as file:
            np.savez(file, said=write_record(said, BATCH), **{name: a for name, a in arrays.items() if a is not None})
        return batch

    def around(self, run_group: RunGroup) -> RunGroup:
        """Return `run_group` as a function that takes what is kept, and keeps what it makes."""

        def taken_or_run(solver: Solver, context: RunContext, numbers: Sequence[int], x0: np.ndarray | None = None) -> Batch:
            known = self.read(numbers)
            return self.keep(numbers, run_group(solver, context, numbers, x0)) if known is None else known

        return taken_or_run

    def _place(self, numbers: Sequence[int]) -> Path:
        return self._folder / f"{self._key}-{numbers[0]:05d}-{len(numbers)}.npz"
