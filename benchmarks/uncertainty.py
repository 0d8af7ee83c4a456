"""Does the map of uncertainty tell true errors? Crystals of known truth, blind, with four starts of `auto` each.

    python benchmarks/uncertainty.py --tune                           # tuning seeds, on which the constants were chosen
    python benchmarks/uncertainty.py --objects 1                      # test seeds
    python benchmarks/uncertainty.py --tune --starts 2                # the first two starts of the same runs alone
    python benchmarks/uncertainty.py --tune --kinds crystal2d --photons 1e4,1e5,1e6 --objects 4     # a set of retrieve simulate

u is the map, e the true error: √(⟨|x − t|²⟩/⟨|x|²⟩) over the same window, with the truth t aligned to the object x. Printed are
Spearman's ρ of u and e inside the object, beside it that of 1/amplitude and e, the ratio of their rms, e by the value of u,
ρ of the spread and the error in units of the object, away from its surface, beside it that of the amplitude and the error, and
the true correlation of the shells that are called determined. Results are kept in build/uncertainty and not computed again.
Writes benchmarks/results/uncertainty.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.stats import spearmanr

import retrieve as rt
from retrieve.evaluate.resolution import frc
from retrieve.evaluate.uncertainty import UNDETERMINED, WINDOW, uncertainty_of
from retrieve.io.result import Result
from retrieve.numerics.alignment import align
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, TUNE_SEED, Noise, object_set
from retrieve.simulate.crystal_kinds import KINDS, CrystalKinds
from retrieve.solvers.blind.auto import Auto

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "build" / "uncertainty"
EDGES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.01)
DEEP = 3
"""Voxels from the object's surface; nearer to it the amplitude falls, and tells the relative error."""
RANKED = ("rho", "rho_amplitude", "rho_deep", "rho_deep_amplitude", "ratio")
RIGHT = 0.5
"""Correlation with the truth from which a shell is right."""


def solved(kind: str, size: int, photons: float, number: int, seed: int) -> Result:
    """Four starts, computed or read."""
    path = KEPT / ("tune" if seed == TUNE_SEED else "test") / f"{kind}-{size}-{photons:.0e}-{number}.cxi"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        objects = CrystalKinds(kind=kind, size=size) if kind in KINDS else object_set(kind)
        problem = objects.problem(number, seed, Noise(photons=photons, support="unknown"))
        rt.solve(Auto(), problem, starts=4, seed=number, agree=0, strict=False).save(path)
    return rt.read_result(path)


def first(result: Result, starts: int) -> Result:
    """The result of its first starts alone."""
    chosen = min(range(starts), key=lambda k: result.scores[k].rank)
    return dataclasses.replace(
        result,
        estimates=result.estimates[:starts],
        supports=None if result.supports is None else result.supports[:starts],
        scores=result.scores[:starts],
        chosen=chosen,
        object=result.estimates[chosen],
    )


def compared(result: Result) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The figures of one result, and u and e of each voxel of the object."""
    found = uncertainty_of(result)
    x, truth = result.object, align(result.problem.truth, result.object).object
    true = frc(truth, x, raw=True).value
    sure = [float(true[k]) for k, limit in enumerate(found.shells["limit"]) if k and not limit]
    row: dict[str, Any] = {"counted": len(found.starts), "shells": sure, "correlation": align(x, truth).correlation}
    if found.relative is None:
        return row, np.zeros(0), np.zeros(0)
    inside = np.isfinite(found.relative)
    error, power = (gaussian_filter(np.abs(a) ** 2, WINDOW)[inside] for a in (x - truth, x))
    u, e = found.relative[inside], np.sqrt(error / np.maximum(power, np.finfo(np.float32).tiny)).clip(0, 1)
    row |= {"rho": float(spearmanr(u, e).statistic), "rho_amplitude": float(spearmanr(-power, e).statistic)}
    deep = binary_erosion(inside, iterations=DEEP)[inside]
    if deep.sum() > 1:
        spread, missed, size = (u * np.sqrt(power))[deep], np.sqrt(error)[deep], np.sqrt(power)[deep]
        row |= {
            "rho_deep": float(spearmanr(spread, missed).statistic),
            "rho_deep_amplitude": float(spearmanr(size, missed).statistic),
        }
    return row | {"ratio": float(np.sqrt(np.mean(u**2) / np.mean(e**2))), "undetermined": found.undetermined}, u, e


def quartiles(values: list[float]) -> list[float]:
    return [float(v) for v in np.quantile(values, (0.25, 0.5, 0.75))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of crystals in three dimensions, or sets")
    parser.add_argument("--photons", default="1e5,1e6,1e7")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--objects", type=int, default=2)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--tune", action="store_true", help="tuning seeds")
    args = parser.parse_args()
    rows, every = [], []
    for number in range(args.objects):
        for photons in map(float, args.photons.split(",")):
            for kind in args.kinds.split(","):
                result = solved(kind, args.size, photons, number, TUNE_SEED if args.tune else TEST_SEED)
                row, *pair = compared(first(result, args.starts))
                rows.append({"kind": kind, "photons": photons, "object": number, **row})
                every.append(pair)
                shown = {name: round(v, 3) if isinstance(v, float) else v for name, v in rows[-1].items() if name != "shells"}
                print(shown, flush=True)
    u, e = (np.concatenate(column) for column in zip(*every, strict=True))
    mapped = [row for row in rows if "rho" in row]
    sure = [value for row in rows for value in row["shells"]]
    wrong, flagged = e > UNDETERMINED, u > UNDETERMINED
    told = {
        "objects": len(rows),
        "without_map": len(rows) - len(mapped),
        **{name: quartiles([row[name] for row in mapped if name in row]) for name in RANKED},
        "rms_error_by_uncertainty": [
            {"from": low, "to": high, "share": float(some.mean()), "u": rms(u[some]), "e": rms(e[some])}
            for low, high in zip(EDGES[:-1], EDGES[1:], strict=True)
            if (some := (u >= low) & (u < high)).any()
        ],
        "not_determined": {
            "share": float(flagged.mean()),
            "precision": float(wrong[flagged].mean()),
            "recall": float(flagged[wrong].mean()),
            "rms_error": rms(e[flagged]),
            "rms_error_elsewhere": rms(e[~flagged]),
        },
        "shells": {"number": len(sure), "lowest": min(sure), "right": float(np.mean(np.array(sure) >= RIGHT))},
    }
    print(json.dumps(told, indent=1))
    target = HERE / "results" / "uncertainty.json"
    kept = json.loads(target.read_text()) if target.exists() else {}
    of = f"{args.size}³" if set(args.kinds.split(",")) <= set(KINDS) else args.kinds
    name = f"{'tuning' if args.tune else 'test'} seeds, {of}, {args.starts} starts"
    target.write_text(json.dumps({**kept, name: {**told, "rows": rows, "versions": versions()}}, indent=1) + "\n")


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")


if __name__ == "__main__":
    main()
