"""Finished trials of a comparison in a file, one line of JSON each. A later run goes on from there."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, RetrieveError
from ..io.external import ExternalResult
from ..numerics.arrays import find_device
from ..plugins.options import values_of
from ..provenance import sha256, source_sha256, versions
from .comparison import Picture, Row
from .fingerprint import fingerprint, source_of
from .metrics import metrics
from .shared_lines import SharedLines
from .trial import Competitor, Outcome, Trial

ARRAYS = ("estimate", "truth", "amplitude")


class Store:
    """Outcomes by all that decides them, in a file that several processes may share.

    The key is made of competitor, case, starts, seed, budget, held-out pixels, device, metrics, versions, the source of this
    package, and the sources of the plugins that take part.

    Parameters
    ----------
    path : path
        The file.
    resume : bool
        True: keep what is in it, and share the work with other processes that resume it. False: begin anew.

    Attributes
    ----------
    taken : int
        How many outcomes came from the file.

    Raises
    ------
    InputError
        Where the file cannot be read or written, and for one to begin anew that another process writes.
    """

    def __init__(self, path: str | Path, resume: bool = False) -> None:
        self._lines = SharedLines(path, keep=resume)
        self.path = self._lines.path
        self.taken = 0
        self._common = fingerprint(versions(), source_sha256("retrieve"), _measures())
        self._competitors: dict[int, tuple[Competitor, str]] = {}
        self._keys: dict[int, tuple[Trial, str]] = {}
        self._known: dict[str, Mapping[str, Any]] = {}

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: Any) -> None:
        self._lines.close()

    def get(self, trial: Trial) -> Outcome | None:
        """The outcome of the trial, if any process has added it."""
        found = self._find(self._key(trial))
        if found is None:
            return None
        self._keys.pop(id(trial))
        self.taken += 1
        return _outcome(found)

    def claim(self, trial: Trial) -> bool:
        """Claim a trial before it is run. False while another process runs it, or when one has just added it."""
        key = self._key(trial)
        if not self._lines.claim(key):
            return False
        if self._find(key) is None:
            return True
        self._lines.release(key)
        return False

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """Keep an outcome, unless another process did, and release the trial. Raises `InputError` where it cannot be written."""
        key = self._key(trial)
        if self._find(key) is None:
            entry = {"key": key, **_entry(outcome)}
            try:
                self._take(self._lines.append(json.dumps(entry, default=float).encode()))
            except OSError as error:
                reason = error.strerror or error
                raise InputError(f"cannot write {self.path}: {reason}; free some space, then --resume") from error
            self._known[key] = entry
        self.release(trial)

    def release(self, trial: Trial) -> None:
        """End the claim on a trial."""
        self._lines.release(self._key(trial))
        self._keys.pop(id(trial))

    def _find(self, key: str) -> Mapping[str, Any] | None:
        if key not in self._known:
            self._take(self._lines.new())
        return self._known.get(key)

    def _take(self, lines: Iterable[bytes]) -> None:
        """Keep the entries of lines; a torn line is left out."""
        for line in lines:
            try:
                entry = json.loads(line)
                self._known[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                continue

    def _key(self, trial: Trial) -> str:
        """The key of a trial, kept until it is done: large patterns take their time."""
        if id(trial) not in self._keys:
            key = fingerprint(self._common, trial.label, self._decides(trial), trial.case, trial.spec)
            self._keys[id(trial)] = trial, key
        return self._keys[id(trial)][1]

    def _decides(self, trial: Trial) -> str:
        one = trial.competitor
        if id(one) not in self._competitors:
            self._competitors[id(one)] = one, _decides(one, trial.spec.device)
        return self._competitors[id(one)][1]


def _decides(competitor: Competitor, device: str) -> str:
    """Options, weights, code and device of a solver; a file's bytes."""
    if isinstance(competitor, ExternalResult):
        return fingerprint(sha256(competitor.path), competitor.convention)
    try:
        record, where = competitor.record(), find_device(device, competitor.library).name
    except RetrieveError as error:  # such as weights that are not there; running tells of it
        record, where = {"error": str(error)}, device
    return fingerprint(source_of(type(competitor)), values_of(competitor), record, where)


def _measures() -> list[tuple[str, str]]:
    """The metrics and their code."""
    return sorted((name, source_of(metric.function)) for name, metric in metrics().items())


def _entry(outcome: Outcome) -> dict[str, Any]:
    picture = outcome.picture
    arrays = {name: _text(getattr(picture, name)) for name in ARRAYS} | {"history": picture.history} if picture else None
    return {"rows": [asdict(row) for row in outcome.rows], "cut": outcome.cut, "picture": arrays}


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    rows, picture = [Row(**row) for row in entry["rows"]], entry["picture"]
    if picture is not None:
        arrays = {name: _array(picture[name]) for name in ARRAYS}
        picture = Picture(row=rows[-1], history=picture["history"], **arrays)
    return Outcome(rows, picture, entry["cut"])


def _text(array: np.ndarray | None) -> str | None:
    if array is None:
        return None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array)
    return base64.b64encode(buffer.getvalue()).decode()


def _array(text: str | None) -> Any:
    return None if text is None else np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)["arr_0"]
