"""Run the kinds of `verdict_kinds.py`, and keep each result and its truth's judgement.

    python benchmarks/verdict_runs.py --tune --runs 70           # what the verdict is fitted to
    python benchmarks/verdict_runs.py --runs 80                  # what it is checked on
    python benchmarks/verdict_runs.py positive hot --runs 80     # some kinds

Results are kept in build/verdict/{tune,test}/KIND/NUMBER.cxi, their outcomes in outcomes.jsonl beside them. Finished runs are
not done again. `verdict.py` reads them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

KEPT = Path(__file__).resolve().parent.parent / "build" / "verdict"


def one(kind: str, number: int, tune: bool) -> dict[str, Any]:
    """One run: its result goes to a file, the truth's judgement comes back."""
    from verdict_kinds import case

    import retrieve as rt
    from retrieve.simulate import TEST_SEED, TUNE_SEED

    drawn = case(kind, number, TUNE_SEED if tune else TEST_SEED)
    begun = time.perf_counter()
    about = {"kind": kind, "number": number, "solver": drawn.solver.name, "fault": drawn.fault}
    try:
        result = rt.solve(drawn.solver, drawn.problem, starts=drawn.starts, seed=number, strict=False)
    except rt.RetrieveError as error:
        return {**about, "error": str(error)}
    result.save(path_of(kind, number, tune))
    return {**about, **outcome(result.object, drawn.problem.truth), "seconds": round(time.perf_counter() - begun, 2)}


def outcome(x: Any, truth: Any) -> dict[str, float]:
    """How near x is to the truth: complex correlation, and that of the amplitudes inside the truth's mask, means removed.

    flat: the correlation of the truth's amplitude with that of a flat object of its outline.
    """
    import numpy as np

    from retrieve.evaluate.metrics import inner_amplitude_correlation, truth_mask
    from retrieve.numerics.alignment import align

    found, mask = align(x, truth), truth_mask(truth)
    a = np.abs(truth)
    return {
        "correlation": round(float(found.correlation), 5),
        "inside": round(inner_amplitude_correlation(found.object, truth, mask), 5),
        "flat": round(float(a[mask].sum() / (np.linalg.norm(a) * np.sqrt(mask.sum()))), 5),
    }


def path_of(kind: str, number: int, tune: bool) -> Path:
    """Where the result of a run is kept."""
    folder = KEPT / ("tune" if tune else "test") / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{number}.cxi"


def outcomes(tune: bool) -> list[dict[str, Any]]:
    """The outcomes of all finished runs."""
    path = KEPT / ("tune" if tune else "test") / "outcomes.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def missing(kinds: list[str], runs: int, tune: bool) -> Iterator[tuple[str, int]]:
    """What is not done yet, kinds in turn."""
    done = {(row["kind"], row["number"]) for row in outcomes(tune)}
    return ((kind, number) for number in range(runs) for kind in kinds if (kind, number) not in done)


def main() -> None:
    """Run what is missing."""
    from verdict_kinds import KINDS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--runs", type=int, default=80, help="of each kind")
    parser.add_argument("--tune", action="store_true", help="tuning seeds")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    path = KEPT / ("tune" if given.tune else "test") / "outcomes.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    left = list(missing(given.kinds or list(KINDS), given.runs, given.tune))
    with ProcessPoolExecutor(given.workers) as pool, path.open("a") as file:
        for k, row in enumerate(pool.map(one, *zip(*left, strict=True), [given.tune] * len(left)) if left else []):
            file.write(json.dumps(row) + "\n")
            file.flush()
            if k % 100 == 99:
                print(f"{k + 1} of {len(left)} runs", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
