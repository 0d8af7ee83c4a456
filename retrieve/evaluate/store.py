"""Finished trials of a comparison in a file, one line of JSON each. A later run goes on from there."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen, Predicate
from typing_extensions import TypedDict

from ..errors import InputError, RetrieveError
from ..files import Schema, check_array, check_claim, parsing, read_record, write_record
from ..io.external import ExternalResult
from ..numerics.arrays import find_device
from ..plugins.options import values_of
from ..provenance import sha256, source_sha256, versions
from .comparison import Picture, Row
from .fingerprint import fingerprint, source_of
from .metrics import metrics
from .shared_lines import SharedLines
from .trial import Competitor, Outcome, Trial

ARRAYS = {"estimate": "c", "truth": "c", "amplitude": "f"}
"""The arrays of a picture with their types (`numpy.dtype.kind`)."""


class PictureRecord(TypedDict):
    """A `Picture`: its arrays as npz files in base64, and its history."""

    estimate: str
    truth: str | None
    amplitude: str
    history: dict[str, list[float]]


class TrialRecord(TypedDict):
    """A finished trial."""

    key: Annotated[str, MinLen(15), Predicate(str.isalnum)]
    rows: Annotated[list[Row], MinLen(1)]
    cut: bool
    picture: PictureRecord | None


TRIAL = Schema("trial", TrialRecord, "it is not used", checksum=True, max_bytes=1 << 31)


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
        self._lines = SharedLines(path, resume, _read)
        self.path = self._lines.path
        self.taken = 0
        self._common = fingerprint(versions(), source_sha256("retrieve"), _measures())
        self._competitors: dict[int, tuple[Competitor, str]] = {}
        self._keys: dict[int, tuple[Trial, str]] = {}
        self._known: dict[str, Outcome] = {}

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
        return found

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
            line = write_record({"key": key, **_entry(outcome)}, TRIAL).encode()
            try:
                self._known.update(self._lines.append(line))
            except OSError as error:
                reason = error.strerror or error
                raise InputError(f"cannot write {self.path}: {reason}; free some space, then --resume") from error
            self._known[key] = outcome
        self.release(trial)

    def release(self, trial: Trial) -> None:
        """End the claim on a trial."""
        self._lines.release(self._key(trial))
        self._keys.pop(id(trial))

    def _find(self, key: str) -> Outcome | None:
        if key not in self._known:
            self._known.update(self._lines.new())
        return self._known.get(key)

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


def _read(line: bytes) -> tuple[str, Outcome]:
    """Key and outcome of a line. Raises `InputError` for a damaged one, and for a newer version."""
    entry = read_record(line, TRIAL, "the line")
    rows, picture = entry["rows"], entry["picture"]
    if picture is not None:
        with parsing("the line", "a trial"):
            arrays = {name: _array(picture[name], name, kinds) for name, kinds in ARRAYS.items()}
        if len({a.shape for a in arrays.values() if a is not None}) > 1:
            raise InputError("the line holds arrays of several shapes")
        picture = Picture(row=rows[-1], history=picture["history"], **arrays)
    return entry["key"], Outcome(rows, picture, entry["cut"])


def _text(array: np.ndarray | None) -> str | None:
    if array is None:
        return None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array)
    return base64.b64encode(buffer.getvalue()).decode()


def _array(text: str | None, name: str, kinds: str) -> Any:
    if text is None:
        return None
    file = io.BytesIO(base64.b64decode(text, validate=True))
    with zipfile.ZipFile(file) as archive:
        check_claim(name, (archive.getinfo("arr_0.npy").file_size,), 1, len(text))
    return check_array(np.load(file, allow_pickle=False)["arr_0"], name, kinds, None, TRIAL.remedy, finite=False)
