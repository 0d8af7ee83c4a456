"""Finished trials of a comparison in a file, one line of JSON each. A later run goes on from there."""

from __future__ import annotations

import base64
import inspect
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ..errors import InputError, RetrieveError
from ..files import check_writable
from ..io.external import ExternalResult
from ..plugins.options import values_of
from ..provenance import sha256, versions
from .comparison import Picture, Row
from .fingerprint import fingerprint
from .metrics import metrics
from .trial import Competitor, Outcome, Trial

ARRAYS = ("estimate", "truth", "amplitude")


class Store:
    """Outcomes by all that decides them: competitor, case, starts, seed, budget, held-out pixels, device, metrics, versions.

    path: of the file.  resume: keep what is in it; without, it begins anew.  A line that a crash tore is left out.
    taken: how many outcomes were had from it. Raises `InputError` where the file cannot be read or written, and while
    another run writes it.
    """

    def __init__(self, path: str | Path, resume: bool = False) -> None:
        self.path = check_writable(path)
        self._lock = FileLock(f"{self.path}.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(
                f"another run is writing {self.path}; wait for its end, or choose another place for the JSON"
            ) from None
        self.taken = 0
        self._common = fingerprint(versions(), sorted(metrics()))
        self._competitors: dict[str, str] = {}
        try:
            before = self.path.read_bytes() if resume and self.path.exists() else b""
            self._known = dict(_lines(before))
            self._file = self.path.open("ab" if resume else "wb")
            if before and not before.endswith(b"\n"):
                self._write("\n")  # ends a torn line
        except OSError as error:
            self._lock.release()
            raise InputError(f"cannot use {self.path}: {error.strerror or error}; choose another place for the JSON") from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def get(self, trial: Trial) -> Outcome | None:
        """What the trial left in an earlier run, if it did."""
        found = self._known.get(self._key(trial))
        if found is None:
            return None
        self.taken += 1
        return _outcome(found)

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """Keep what the trial left. Raises `InputError` where it cannot be written."""
        entry = {"key": self._key(trial), **_entry(outcome)}
        try:
            self._write(json.dumps(entry, default=float) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}; free some space, then --resume") from error

    def _write(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()

    def _key(self, trial: Trial) -> str:
        if trial.label not in self._competitors:
            self._competitors[trial.label] = _decides(trial.competitor)
        return fingerprint(self._common, trial.label, self._competitors[trial.label], trial.case, trial.spec)


def _decides(competitor: Competitor) -> str:
    """Options, weights and code of a solver; a file's bytes."""
    if isinstance(competitor, ExternalResult):
        return fingerprint(sha256(competitor.path), competitor.convention)
    try:
        record = competitor.record()
    except RetrieveError as error:  # such as weights that are not there; running tells of it
        record = {"error": str(error)}
    cls = type(competitor)
    try:
        code = sha256(inspect.getfile(cls))
    except (OSError, TypeError):  # made on the spot
        code = None
    return fingerprint(f"{cls.__module__}.{cls.__qualname__}", code, values_of(competitor), record)


def _lines(content: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for line in content.splitlines():
        try:
            entry = json.loads(line)
            yield entry["key"], entry
        except (ValueError, KeyError, TypeError):
            continue


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
