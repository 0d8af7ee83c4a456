"""A comparison as JSON and as CSV, and read back from JSON.

In the JSON everything that depends on the machine's speed is under ``times``, so that two runs of one
comparison differ in nothing else. What is not a finite number is null.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ..errors import InputError
from ..files import Schema, from_record, json_value, parse_json, regular_file, write_text
from .comparison import Comparison, Row
from .statistics import paired, summarise

DIGITS = 7  # what single precision carries
FORMER_COLUMNS = {"chi2": "r", "free": "r_free"}
"""Names in files of the first version; metrics of the average began with ``combined_``."""


class RowRecord(TypedDict):
    """A `Row` without its time; null for what is not finite."""

    group: str
    noise: float | None
    object: int
    solver: str
    start: int | None
    r: float | None
    r_free: float | None
    metrics: dict[str, float | None]
    ffts: int
    network_evaluations: NotRequired[int | float]
    failure: NotRequired[str | None]
    completed: NotRequired[float | None]
    starts: NotRequired[int | None]


class Settings(TypedDict, total=False):
    """The settings that are read back."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    seconds: float | None
    clock: str
    notes: list[str]
    stopped_by_budget: list[str]


class Times(TypedDict):
    """What depends on the machine's speed."""

    rows: list[float | None]


class ComparisonRecord(TypedDict):
    """A `Comparison` as JSON has it. Summaries and tests are made from the rows anew."""

    settings: Settings
    solvers: dict[str, dict[str, Any]]
    rows: list[RowRecord]
    times: Times


def _current(record: dict[str, Any], version: int) -> dict[str, Any]:
    """The record with the columns of today."""

    def renamed(value: Any) -> Any:
        return {_current_name(name): inner for name, inner in value.items()} if isinstance(value, Mapping) else value

    rows = record.get("rows")
    if isinstance(rows, list):
        rows = [renamed(row) for row in rows]
        rows = [{**row, "metrics": renamed(row.get("metrics"))} if isinstance(row, dict) else row for row in rows]
    return {**record, "rows": rows}


COMPARISON = Schema("comparison", ComparisonRecord, "write it with `retrieve compare --json`", migrate=_current)


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Settings, solvers, summaries, paired tests, rows and, apart, times; ready for JSON."""
    summaries = summarise(comparison)
    content = {
        "format": COMPARISON.format,
        "settings": dict(comparison.settings),
        "solvers": {label: dict(about) for label, about in comparison.solvers.items()},
        "summaries": [_without_time(asdict(s) | {k: getattr(s, k)._asdict() for k in _RATES}) for s in summaries],
        "paired": [asdict(p) for p in paired(comparison)],
        "rows": [_without_time(asdict(row)) for row in comparison.rows],
        "times": {"summaries": [s.seconds for s in summaries], "rows": [row.seconds for row in comparison.rows]},
    }
    return json_value(content, DIGITS)


def from_dict(content: Mapping[str, Any], what: str = "the content") -> Comparison:
    """The comparison of `to_dict`, without its pictures; numbers that were not finite are NaN.

    Raises `InputError`, which names `what`, for anything else.
    """
    record = from_record(content, COMPARISON, what)
    times = record["times"]["rows"]
    if len(times) != len(record["rows"]):
        raise InputError(f"{what} holds {len(times)} times of {len(record['rows'])} rows; {COMPARISON.remedy}")
    rows = []
    for one, seconds in zip(record["rows"], times, strict=True):
        metrics = {name: _number(value) for name, value in one["metrics"].items()}
        rows.append(Row(**{**one, "metrics": metrics, "r": _number(one["r"]), "seconds": _number(seconds)}))
    return Comparison(record["settings"], record["solvers"], tuple(rows))


def write_json(comparison: Comparison, path: str | Path) -> Path:
    """Write the JSON beside its place and rename it; returns the path. Raises `InputError` where it cannot be written."""
    return write_content(to_dict(comparison), path)


def write_content(content: Mapping[str, Any], path: str | Path) -> Path:
    """Write JSON with a line for each entry of a list, so that two files can be held side by side."""

    def dumped(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def section(value: Any) -> str:
        if isinstance(value, list) and value:
            return "[\n" + ",\n".join(f"  {dumped(entry)}" for entry in value) + "\n ]"
        return dumped(value)

    sections = ",\n".join(f" {dumped(name)}: {section(value)}" for name, value in content.items())
    return write_text(path, "{\n" + sections + "\n}\n")


def read_json(path: str | Path) -> Comparison:
    """Read what `write_json` wrote. Raises `InputError` for anything else."""
    try:
        text = regular_file(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"no file {path}; give the JSON of a comparison") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {COMPARISON.remedy}") from error
    return from_dict(parse_json(text, str(path), remedy=COMPARISON.remedy), str(path))


def write_csv(comparison: Comparison, path: str | Path) -> Path:
    """Write one line a row, metrics as columns, empty where there is no number; returns the path."""
    metrics = dict.fromkeys(name for row in comparison.rows for name in row.metrics)
    columns = [*_FIRST, *(name for name in metrics if name not in _FIRST), *_LAST]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for row in comparison.rows:
        line = {**row.metrics, **{k: v for k, v in asdict(row).items() if k != "metrics"}}
        line["start"] = "best" if row.start is None else row.start
        table.writerow({name: "" if (value := json_value(line.get(name), DIGITS)) is None else value for name in columns})
    return write_text(path, text.getvalue())


_RATES = ("success95", "success99")
_FIRST = ("group", "noise", "object", "solver", "start", "r", "r_free")
_LAST = ("ffts", "network_evaluations", "seconds", "starts", "completed", "failure")


def _current_name(name: str) -> str:
    return FORMER_COLUMNS.get(name, name.replace("combined_", "averaged_"))


def _without_time(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "seconds"}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
