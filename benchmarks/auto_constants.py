"""What each constant of `auto` does: right starts and transforms with the constant as it is, lower and higher.

    python benchmarks/auto_constants.py                    # all constants
    python benchmarks/auto_constants.py VOLUMES MEMBERS    # some of them

Tuning objects, two starts each; right is a correlation above 0.95 with the truth.
"""

from __future__ import annotations

import sys
from unittest import mock

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers.blind import blur, breeding, search, state

OBJECTS = [
    *(("crystal2d-strong", number, {"photons": 1e6}) for number in range(3)),
    *(("domains2d-10-cells", number, {}) for number in range(3)),
    *(("crystal2d", number, {"photons": 1e4}) for number in range(3)),
    *(("crystal2d", number, {"photons": 1e6, "coherence": 0.5}) for number in range(3)),
]
TRIED = {
    "HALF_ITERATIONS": (search, 200, 800),
    "VOLUMES": (search, 6, 24),
    "VOLUME_RATIO": (search, 0.74, 0.93),
    "VOLUME_ITERATIONS": (search, 30, 120),
    "SWEEP_ABORT_RATIO": (search, 2.0, 8.0),
    "LONG_ROUNDS": (search, 1, 6),
    "LONG_ITERATIONS": (search, 400, 1600),
    "AGREEMENT_CORRELATION": (search, 0.9, 0.975),
    "MEMBERS": (breeding, 4, 16),
    "GENERATIONS": (breeding, 2, 10),
    "BLUR_SCORE_RATIO": (blur, 0.8, 0.95),
    "HELD_BACK": (state, 0.015, 0.06),
}
"""Name → its module, a lower and a higher value."""


def run() -> str:
    """Right starts of all, and millions of transforms."""
    right = starts = transforms = 0
    for name, number, noise in OBJECTS:
        problem = object_set(name).problem(number, TUNE_SEED, Noise(support="unknown", **noise))  # type: ignore[arg-type]
        result = rt.solve(rt.solvers.Auto(), problem, starts=2, seed=number, agree=0, strict=False)
        right += sum(align(x, problem.truth, subpixel=1).correlation > 0.95 for x in result.estimates)
        starts, transforms = starts + len(result.estimates), transforms + result.cost.ffts
    return f"{right} of {starts} right, {transforms / 1e6:.2f} million transforms"


def main() -> None:
    """Print a line for each value."""
    print(f"as they are: {run()}", flush=True)
    for name in sys.argv[1:] or TRIED:
        module, *values = TRIED[name]
        for value in values:
            with mock.patch.object(module, name, value):
                print(f"{name} = {value}: {run()}", flush=True)


if __name__ == "__main__":
    main()
