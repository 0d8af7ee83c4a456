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
from typing import Any

from ..errors import InputError
from ..files import json_value, write_text
from .comparison import Comparison, Row
from .statistics import paired, summarise

DIGITS = 7  # what single precision carries
VERSION = 1


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Settings, solvers, summaries, paired tests, rows and, apart, times; ready for JSON."""
    summaries = summarise(comparison)
    content = {
        "format": f"retrieve comparison {VERSION}",
        "settings": dict(comparison.settings),
        "solvers": {label: dict(about) for label, about in comparison.solvers.items()},
        "summaries": [_without_time(asdict(s) | {k: getattr(s, k)._asdict() for k in _RATES}) for s in summaries],
        "paired": [asdict(p) for p in paired(comparison)],
        "rows": [_without_time(asdict(row)) for row in comparison.rows],
        "times": {"summaries": [s.seconds for s in summaries], "rows": [row.seconds for row in comparison.rows]},
    }
    return json_value(content, DIGITS)


def from_dict(content: Mapping[str, Any]) -> Comparison:
    """The comparison of `to_dict`, without its pictures; numbers that were not finite are NaN."""
    rows = []
    for one, seconds in zip(content["rows"], content["times"]["rows"], strict=True):
        one = {_current(name): value for name, value in one.items()}
        metrics = {_current(name): _number(value) for name, value in one["metrics"].items()}
        rows.append(Row(**{**one, "metrics": metrics, "r": _number(one["r"]), "seconds": _number(seconds)}))
    return Comparison(content["settings"], content["solvers"], tuple(rows))


def write_json(comparison: Comparison, path: str | Path) -> Path:
    """Write the JSON beside its place and rename it; returns the path. Raises `InputError` where it cannot be written."""
    return write_record(to_dict(comparison), path)


def write_record(content: Mapping[str, Any], path: str | Path) -> Path:
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
        return from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"no file {path}; give the JSON of a comparison") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{path} is no comparison of retrieve ({reason}); write it with `retrieve compare --json`") from error


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


FORMER_COLUMNS = {"chi2": "r", "free": "r_free"}
"""Names in files of the first version; metrics of the average began with ``combined_``."""
_RATES = ("success95", "success99")
_FIRST = ("group", "noise", "object", "solver", "start", "r", "r_free")
_LAST = ("ffts", "network_evaluations", "seconds", "starts", "completed", "failure")


def _current(name: str) -> str:
    return FORMER_COLUMNS.get(name, name.replace("combined_", "averaged_"))


def _without_time(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "seconds"}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
