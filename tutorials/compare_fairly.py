"""Compare solvers fairly: same objects, same starts, same budget, and a test of the difference.

    python tutorials/compare_fairly.py            # about five minutes; --quick: half a minute

Writes compare.html and compare.json into ./compare-fairly.
"""

from __future__ import annotations

import sys
from pathlib import Path

from retrieve.driver.solve import Budget
from retrieve.evaluate import benchmarks
from retrieve.evaluate.compare import compare, paired, summarise
from retrieve.evaluate.tables import write_json
from retrieve.report.page import write_page
from retrieve.solvers import HIO, RAAR, RRR

QUICK = "--quick" in sys.argv
OBJECTS, STARTS, FFTS = (4, 2, 200) if QUICK else (20, 4, 1000)
FOLDER = Path("compare-fairly")
FOLDER.mkdir(exist_ok=True)

# 1. Take objects that nobody tuned on. A named benchmark draws them from the test seed; tune on TUNE_SEED instead.
#    These have 10 domains with smooth (blobs) or flat (cells) phase. Only the evaluation sees the truth.
easy = benchmarks.Benchmark(("domains2d-10-blobs", "domains2d-10-cells"))
cases = list(easy.cases(noise=[0.0, 0.01], objects=OBJECTS))

# 2. Give all the same budget. Count the cost, not the iterations: an iteration of HIO is two Fourier transforms, a denoiser
#    call costs a hundred. Here each start may take the same number of transforms.
budget = Budget(ffts=FFTS)

# 3. Use the same starts and held-out pixels. `compare` seeds start k of every solver alike, and holds out the same pixels.
solvers = {"hio": HIO(iterations=10_000), "raar": RAAR(iterations=10_000), "rrr": RRR(iterations=10_000, beta=0.5)}
found = compare(solvers, cases, starts=STARTS, budget=budget)

# 4. Read the success rate with its interval, not the best picture. `best` is the start that R_free selects, as for a user.
#    A selection by the truth would flatter every solver, and the least stable one most.
print(f"{'set':22} {'σ':>5} {'solver':6} {'of':>4} {'solved':>7}   95 % interval   median correlation")
for s in summarise(found):
    if s.best:
        rate = s.success95
        interval = f"{100 * rate.low:3.0f} to {100 * rate.high:3.0f} %"
        correlation = s.medians["complex_correlation"]
        print(f"{s.group:22} {s.noise:5g} {s.solver:6} {s.objects:4} {100 * rate.rate:6.0f}%   {interval:15} {correlation:.3f}")

# 5. Compare pairs. On the same objects, how often does one solver succeed where the other fails? McNemar's exact test gives
#    the probability of chance. Few objects rarely decide: then say so, or take more.
for test in paired(found):
    verdict = "differ" if test.p < 0.01 else "do not differ clearly"
    print(
        f"{test.group} σ={test.noise:g}: {test.a} and {test.b} {verdict} "
        f"(solved by one alone: {test.only_a}, {test.only_b}; p = {test.p:.2g})"
    )

# 6. Keep everything. The page has every row and picture, the JSON every option, seed and version.
write_page(found, FOLDER / "compare.html")
write_json(found, FOLDER / "compare.json")
print(f"written: {FOLDER / 'compare.html'}, {FOLDER / 'compare.json'}")
