"""Fits the verdict's probability to blind runs on tuning objects, and checks it on blind runs on test objects.

    python benchmarks/blind.py --tune --objects 40      # what it is fitted to
    python benchmarks/blind.py --objects 40             # what it is checked on
    python benchmarks/verdict.py                        # fits, writes retrieve/verdict.json, checks
    python benchmarks/verdict.py --check                # checks alone

A logistic model by Newton's method, its weights drawn to zero by a Gaussian prior. Wrong is a complex correlation of 0.95 or
less with the truth. Every kept run of `auto` counts. Writes benchmarks/results/verdict.json: the reliability table,
Brier score and expected calibration error.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from blind import CELLS, RIGHT, kept
from numpy.typing import NDArray

from retrieve.evaluate.verdict import features, probability

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "retrieve" / "evaluate" / "verdict.json"
PRIOR = 1.0
"""Standard deviation of the prior of each weight, on standardised features."""
BINS = 5


def runs(tune: bool) -> list[dict[str, Any]]:
    """All kept runs of the default that have a probability."""
    return [row for cell in CELLS for row in kept(cell, "auto", tune) if row["evidence"]]


def fit(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The model of these runs, as `retrieve.evaluate.verdict.model` reads it."""
    x = np.stack([features(row["evidence"]) for row in rows])
    right = np.array([row["correlation"] > RIGHT for row in rows], float)
    mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    penalty = np.append(np.full(x.shape[1], 1 / PRIOR**2), 1e-6)  # the bias is free
    w = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ w))
        hessian = (z * (p * (1 - p))[:, None]).T @ z + np.diag(penalty)
        w += np.linalg.solve(hessian, z.T @ (right - p) - penalty * w)
    cells = Counter(row["cell"] for row in rows)
    record = {"runs": len(rows), "right": int(right.sum()), "cells": dict(cells), "seed": rows[0]["seed"], "prior": PRIOR}
    names = {"mean": mean.tolist(), "deviation": deviation.tolist(), "weight": w[:-1].tolist(), "bias": float(w[-1])}
    return {**names, "record": record}


def check(rows: list[dict[str, Any]], model: dict[str, Any]) -> dict[str, Any]:
    """Reliability in equal bins of probability, Brier score, expected calibration error."""
    p = np.array([probability(row["evidence"], model) for row in rows])
    right = np.array([row["correlation"] > RIGHT for row in rows], float)
    table, error = [], 0.0
    for k in range(BINS):
        mine = _bin(p) == k
        if mine.any():
            said, was = float(p[mine].mean()), float(right[mine].mean())
            table.append({"from": k / BINS, "to": (k + 1) / BINS, "runs": int(mine.sum()), "said": said, "right": was})
            error += abs(said - was) * mine.mean()
    cells = dict(Counter(row["cell"] for row in rows))
    solved = p >= 0.5
    return {
        "runs": len(rows),
        "right": int(right.sum()),
        "brier": float(np.mean((p - right) ** 2)),
        "calibration_error": float(error),
        "solved_and_wrong": int((solved & (right == 0)).sum()),
        "not_solved_and_right": int((~solved & (right == 1)).sum()),
        "table": table,
        "cells": cells,
    }


def _bin(p: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.minimum((p * BINS).astype(int), BINS - 1)


def main() -> None:
    """Fit, unless told to check alone; check; keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="leave retrieve/verdict.json as it is")
    if not parser.parse_args().check:
        rows = runs(tune=True)
        if not rows:
            parser.error("no runs on tuning objects are kept; run benchmarks/blind.py --tune first")
        partial = MODEL.with_suffix(".partial")
        partial.write_text(json.dumps(fit(rows), indent=1) + "\n")
        partial.replace(MODEL)
    model = json.loads(MODEL.read_text())
    found = {"tuning": check(runs(tune=True), model), "test": check(runs(tune=False), model)}
    for name, figures in found.items():
        print(
            f"{name}: {figures['runs']} runs, {figures['right']} right: Brier {figures['brier']:.3f}, calibration error "
            f"{figures['calibration_error']:.3f}; {figures['solved_and_wrong']} solved but wrong, "
            f"{figures['not_solved_and_right']} right but not solved"
        )
        for row in figures["table"]:
            print(f"  {row['from']:.1f} to {row['to']:.1f}: {row['runs']} runs, said {row['said']:.0%}, right {row['right']:.0%}")
    (HERE / "results" / "verdict.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
