"""Blind runs of the default on measured volumes, and on an object from a measured one with phases of known strength.

    python benchmarks/blind3d_measured.py                    # all, with the data folder in RETRIEVE_DATA
    python benchmarks/blind3d_measured.py --only weak,gold

weak, strong3, strong5: a platinum crystal that was phased from measured data (CXIDB-182), its phase multiplied by 1, 3 and 5, at
4·10⁷ counts: the correlation with the truth. gold: a rocking scan of a gold crystal, whose object is not known: R, R_free, and
how far four seeds agree. Writes benchmarks/results/blind3d_measured.json; what is not run keeps its figures.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import retrieve as rt
from retrieve.files import write_text
from retrieve.numerics.alignment import align, remove_ramp
from retrieve.operators import PartialCoherence
from retrieve.provenance import versions
from retrieve.simulate import measure
from retrieve.solvers import Auto

TARGET = Path(__file__).resolve().parent / "results" / "blind3d_measured.json"
STRENGTHS = {"weak": 1, "strong3": 3, "strong5": 5}
COUNTS, SIZE = 4e7, 128
SEEDS = range(4)


def platinum(folder: Path, strength: int) -> rt.Problem:
    """The crystal with its phase multiplied; as it is, from the file of counts."""
    with np.load(folder / "semireal_cxidb182_weak_TRUTH.npz") as file:
        small = file["object"]
    truth = np.pad(small, [((SIZE - n) // 2, SIZE - n - (SIZE - n) // 2) for n in small.shape])
    if strength == 1:
        return rt.read(folder / "semireal_cxidb182_weak.npz").replace(truth=truth)
    flat = remove_ramp(truth)
    mean = np.angle((flat * np.abs(flat)).sum())
    x = (np.abs(flat) * np.exp(1j * strength * np.angle(flat * np.exp(-1j * mean)))).astype(np.complex64)
    intensity = measure(x, photons=COUNTS, seed=strength)
    return rt.Problem.from_arrays(intensity=intensity, truth=x)


def run(problem: rt.Problem, seed: int) -> tuple[rt.Result, dict[str, Any]]:
    """One blind run with as many starts as `auto` takes, and its cost."""
    cpu = time.process_time()
    result = rt.solve(Auto(), problem, seed=seed, agree=Auto.agree, strict=False)
    kernel = result.problem.detector
    return result, {
        "r": result.score.r,
        "r_free": result.score.r_free,
        "starts": len(result.estimates),
        "blur": list(kernel.widths) if isinstance(kernel, PartialCoherence) else None,
        "cpu_seconds": time.process_time() - cpu,
    }


def gold(folder: Path) -> dict[str, Any]:
    """Four seeds of the gold scan, and the correlations of their objects."""
    problem = rt.read(folder / "aps34idc_s0054_prepared.npz")
    made = [run(problem, seed) for seed in SEEDS]
    pairs = [align(a.object, b.object).correlation for (a, _), (b, _) in combinations(made, 2)]
    return {"runs": [about for _, about in made], "agreement": pairs}


def main() -> None:
    """Run what is asked for, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join([*STRENGTHS, "gold"]))
    names = parser.parse_args().only.split(",")
    folder = Path(os.environ.get("RETRIEVE_DATA", ""))
    if not (folder / "semireal_cxidb182_weak.npz").is_file():
        parser.error("the measured data are not there; set RETRIEVE_DATA to their folder")
    known = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    for name in names:
        if name == "gold":
            known[name] = gold(folder)
        else:
            problem = platinum(folder, STRENGTHS[name])
            result, about = run(problem, 0)
            known[name] = {"correlation": align(result.object, np.asarray(problem.truth)).correlation, **about}
        print(name, json.dumps(known[name]), flush=True)
        write_text(TARGET, json.dumps(known | {"versions": versions()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
