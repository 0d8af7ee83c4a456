"""What measurement alignment after `diffusion` does to R, to R_free and to the object, on a simulated pulse train.

    python benchmarks/refinement.py             # a minute or two

The sums of the first 24 and the last 55 kept frames, one start each; refined under the known ellipse, and, told no support at
all, under the Gaussian-shaped one of the estimate. The paper's step is 1e-4. Writes benchmarks/results/refinement.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.problem.likelihood import Poisson
from retrieve.provenance import versions
from retrieve.reproduce.train import short_training
from retrieve.solvers.learned.diffusion import Diffusion

TARGET = Path(__file__).parent / "results" / "refinement.json"
STEPS = ((0, 1e-4), (100, 1e-4), (20, 0.1), (100, 0.1), (20, 1.0), (100, 1.0))


def main() -> None:
    made, prepared = short_training()
    rows: list[dict[str, Any]] = []
    for number, problem in enumerate(prepared.problems, start=1):
        for known in (True, False):
            support = made.support if known else None
            posed = problem.replace(support=support, likelihood=Poisson())
            for steps, size in STEPS:
                result = rt.solve(Diffusion(refine=steps, refine_step=size), posed, starts=1)
                truth = align(result.object, made.truth, ramp=True).correlation
                row = {"data_set": number, "support": "known" if known else "Gaussian", "steps": steps, "size": size}
                rows.append(row | {"r": result.score.r, "r_free": result.score.r_free, "truth": truth})
                print(rows[-1], flush=True)
    TARGET.write_text(json.dumps({"rows": rows, "versions": versions()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
