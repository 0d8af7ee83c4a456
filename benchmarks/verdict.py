"""Fits the verdict's probability to blind runs on tuning objects, and checks it on blind runs on test objects.

    python benchmarks/verdict_runs.py --tune       # what it is fitted to
    python benchmarks/verdict_runs.py              # what it is checked on
    python benchmarks/verdict.py                   # gathers the evidence, fits, writes retrieve/evaluate/verdict.json, checks
    python benchmarks/verdict.py --check           # checks alone, from the published rows

Runs that were not done again keep their published rows, where a figure that is newer than they are is unknown.

Right is a complex correlation above 0.95 with the truth and one above 0.6 of the amplitudes inside the truth's outline, their
means removed, which a flat box does not reach. Writes benchmarks/results/verdict_runs.csv, one row a run, and
benchmarks/results/verdict.json: reliability overall and by kind, Brier score, expected calibration error.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from verdict_runs import outcomes, path_of

from retrieve.evaluate.calibration import FIGURES, outside, probability
from retrieve.evaluate.evidence import compared, evidence_of, no_evidence, usable_starts
from retrieve.evaluate.verdict import HOT_SHARE, asked, unexplained
from retrieve.files import write_text

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "retrieve" / "evaluate" / "verdict.json"
ROWS = HERE / "results" / "verdict_runs.csv"
RIGHT, INSIDE = 0.95, 0.6
BINS = 5
TREES: Mapping[str, Any] = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "random_state": 0,
}
SHRINK = 1.1
"""Divides the log odds: cross-validated, it costs no likelihood, and fewer wrong runs are given 0.9 or more."""
BOUNDED: Mapping[str, list[float]] = {"filled_minima": [-1.0, 1.0]}
"""A figure of three dimensions that many of the runs lack, and its range: all that it can be."""
PAIRS = "volume_pair"
"""The kind of runs, all in three dimensions, that the trees of two dimensions are not fitted to."""
Row = dict[str, Any]


def gathered(tune: bool) -> list[Row]:
    """All finished runs with their evidence."""
    rows = [row for row in outcomes(tune) if "error" not in row]
    with ProcessPoolExecutor() as pool:
        found = pool.map(partial(_evidence, tune), rows, chunksize=16)
        unknown = dict.fromkeys(FIGURES, np.nan) | {"seeds": "tuning" if tune else "test"}
        return [unknown | row | e for row, e in zip(rows, found, strict=True) if e is not None]


def _evidence(tune: bool, row: Row) -> Row | None:
    """The figures of a kept result; None if its starts say nothing."""
    from retrieve.io.results import read_result

    result = read_result(path_of(row["kind"], row["number"], tune))
    usable = usable_starts(result)
    if no_evidence(result, usable) is not None:
        return None
    return {name: float(f"{value:.4g}") for name, value in evidence_of(result, compared(result, usable)).items()}


def write_rows(rows: list[Row]) -> None:
    """The published set."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "seconds"))
    with ROWS.open("w", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n", extrasaction="ignore", restval="nan")
        table.writeheader()
        table.writerows(rows)


def read_rows() -> list[Row]:
    """The published set, read back."""
    text, unknown = {"kind", "solver", "fault", "seeds"}, dict.fromkeys(FIGURES, np.nan)
    with ROWS.open() as file:
        return [unknown | {k: v if k in text else float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def renewed(published: list[Row], made: list[Row]) -> list[Row]:
    """The rows that were made, and the published ones of runs that were not done again."""
    run = {(row["kind"], row["seeds"], row["number"]) for row in made}
    return [*(row for row in published if (row["kind"], row["seeds"], row["number"]) not in run), *made]


def is_right(row: Row) -> bool:
    """Whether the object of a run is right; a truth that is flat inside its outline is judged by the first figure alone."""
    return bool(row["correlation"] > RIGHT and not row["inside"] <= INSIDE)


def fit(rows: list[Row]) -> dict[str, Any]:
    """The calibration of these runs, as `retrieve.evaluate.calibration` reads it."""
    right = [is_right(row) for row in rows]
    bounds = {
        "excess": round(1.5 * max(row["excess"] for row in rows if is_right(row) and row["hot_share"] <= HOT_SHARE), 3),
        "worst_pixel": 0.5,
        "deviance": 2.0,
    }
    explained = [row for row in rows if row["excess"] <= bounds["excess"] and row["hot_share"] <= HOT_SHARE]
    beyond = [is_right(row) for row in rows if row not in explained]
    return {
        "plane": _boosted([row for row in rows if row["kind"] != PAIRS], [name for name in FIGURES if name not in BOUNDED]),
        "volume": _boosted(rows, list(FIGURES)),
        "ranges": {name: BOUNDED.get(name) or _range([row[name] for row in explained]) for name in FIGURES},
        "unexplained": {**bounds, "runs": len(beyond), "right": (sum(beyond) + 0.5) / (len(beyond) + 1)},
        "record": {
            "runs": len(rows),
            "right": sum(right),
            "kinds": {kind: sum(row["kind"] == kind for row in rows) for kind in dict.fromkeys(row["kind"] for row in rows)},
            "seeds": "tuning",
            "trees": {**TREES, "shrink": SHRINK},
        },
    }


def _boosted(rows: list[Row], names: list[str]) -> dict[str, Any]:
    """Trees that see these figures of these runs; every run counts twice, also without its deviances."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    unknown = [row | {"deviance": np.nan, "deviance_free": np.nan} for row in rows]  # the noise of many data is not known
    x = np.array([[row[name] for name in names] for row in [*rows, *unknown]])
    signs = [FIGURES[name] for name in names]
    model = HistGradientBoostingClassifier(**TREES, monotonic_cst=signs).fit(x, np.tile([is_right(row) for row in rows], 2))
    return {
        "bias": float(np.ravel(model._baseline_prediction)[0]) / SHRINK,
        "trees": [_tree(predictors[0].nodes, names) for predictors in model._predictors],
    }


def _range(values: list[float]) -> list[float]:
    known = np.array(values)[np.isfinite(values)]
    margin = 0.05 * np.ptp(known) + 1e-6
    return [float(f"{known.min() - margin:.4g}"), float(f"{known.max() + margin:.4g}")]


def _tree(nodes: NDArray[Any], names: list[str]) -> dict[str, list[Any]]:
    """A tree as lists over its nodes."""
    return {
        "figure": [None if node["is_leaf"] else names[node["feature_idx"]] for node in nodes],
        "threshold": [0.0 if node["is_leaf"] else float(f"{node['num_threshold']:.6g}") for node in nodes],
        "unknown_left": [bool(node["missing_go_to_left"]) for node in nodes],
        "left": [int(node["left"]) for node in nodes],
        "right": [int(node["right"]) for node in nodes],
        "value": [float(f"{node['value'] / SHRINK:.6g}") for node in nodes],
    }


def said(row: Row, model: Mapping[str, Any]) -> float:
    """The probability that a verdict gives to a run; NaN outside the calibration."""
    if unexplained(row, model) is not None:
        return float(model["unexplained"]["right"])
    return np.nan if outside(row, model) is not None else probability(row, model)


def check(rows: list[Row], model: Mapping[str, Any]) -> dict[str, Any]:
    """Reliability of some runs: in equal bins of probability, and what was called solved."""
    every = np.array([said(row, model) for row in rows])
    known = ~np.isnan(every)
    p, right = every[known], np.array([is_right(row) for row in rows], float)[known]
    table = []
    for k in range(BINS):
        mine = np.minimum((p * BINS).astype(int), BINS - 1) == k
        if mine.any():
            table.append(
                {"from": k / BINS, "runs": int(mine.sum()), "said": float(p[mine].mean()), "right": float(right[mine].mean())}
            )
    sure, solved = p >= 0.9, p >= np.array([asked(row) for row in rows])[known]
    return {
        "runs": len(rows),
        "outside": int(np.isnan(every).sum()),
        "right": int(right.sum()),
        "brier": float(np.mean((p - right) ** 2)),
        "calibration_error": float(sum(abs(row["said"] - row["right"]) * row["runs"] for row in table) / len(p)),
        "sure": int(sure.sum()),
        "sure_and_wrong": int((sure & (right == 0)).sum()),
        "solved_and_wrong": int((solved & (right == 0)).sum()),
        "right_and_solved": int((solved & (right == 1)).sum()),
        "table": table,
    }


def report(name: str, figures: dict[str, Any]) -> None:
    """One line of a check."""
    f = figures
    print(
        f"{name:18s} {f['runs']:5d} runs, {f['right']:4d} right, {f['outside']:3d} outside; calibration error "
        f"{f['calibration_error']:.3f}; ≥ 0.9: {f['sure']:4d}, wrong {f['sure_and_wrong']:2d}; solved but wrong "
        f"{f['solved_and_wrong']:2d}; of right ones solved {f['right_and_solved'] / max(1, f['right']):.0%}"
    )


def main() -> None:
    """Gather and fit, unless told to check alone; check; keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="the published rows and the model as they are")
    if not parser.parse_args().check:
        write_rows(renewed(read_rows(), [*gathered(tune=True), *gathered(tune=False)]))
        tuning = [row for row in read_rows() if row["seeds"] == "tuning"]
        write_text(MODEL, json.dumps(fit(tuning), separators=(",", ":")) + "\n")
    model, rows = json.loads(MODEL.read_text()), read_rows()
    found: dict[str, Any] = {}
    for seeds in ("tuning", "test"):
        mine = [row for row in rows if row["seeds"] == seeds]
        found[seeds] = check(mine, model)
        report(seeds, found[seeds])
    test = [row for row in rows if row["seeds"] == "test"]
    found["kinds"] = {}
    for kind in dict.fromkeys(row["kind"] for row in test):
        found["kinds"][kind] = check([row for row in test if row["kind"] == kind], model)
        report(kind, found["kinds"][kind])
    write_text(HERE / "results" / "verdict.json", json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
