"""Train a prior for your own samples, check it, and phase with it.

    python tutorials/own_prior.py            # a quarter of an hour; --quick: half a minute

All files go to ./own-prior. The objects here are films with larger domains than the shipped prior knows. Yours are
simulations of your sample, or reconstructions that you trust.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import retrieve as rt
from retrieve.cli import main
from retrieve.numerics.alignment import align
from retrieve.priors.weights import card_of
from retrieve.simulate import TEST_SEED, Domains2D, Noise
from retrieve.solvers.learned.diffusion import Diffusion

QUICK = "--quick" in sys.argv
FOLDER = Path("own-prior")
OBJECTS = FOLDER / "objects"
OBJECTS.mkdir(parents=True, exist_ok=True)

# 1. Make a folder of complex objects of one shape, centred at N//2, zero outside the sample. Training holds back a tenth.
samples = Domains2D(domains=6, kind="cells", size=32 if QUICK else 64, fill=0.1)
x, support = samples.objects(200 if QUICK else 5000, seed=11)
np.savez(OBJECTS / "films.npz", objects=x, support=support)

# 2. Train. The same command with a larger --minutes continues from the checkpoint. A narrow family of objects needs a small
#    network and little time, a wide one a large network and more time.
length = "--objects 400 --base 8 --widths 1,2 --attention none --blocks 1 --embedding 16" if QUICK else "--minutes 10 --base 32"
command = f"train diffusion {OBJECTS} --out {FOLDER}/run --name mine {length}"
print(f"$ retrieve {command}", flush=True)
main(command.split())

# 3. Check the validation error at noise s, in units of the object's mean square. A network that knows nothing reaches 1 at
#    large noise. At small noise a useful one beats the noise itself, s².
weights = FOLDER / "run" / "mine.safetensors"
losses = card_of(weights)["training"]["validation"]
for name, loss in losses.items():
    s = float(name.partition("@")[2])
    print(f"noise {s:6.3f} σ_data: error {loss:8.5f}, without a prior {min(s**2, 1.0):8.5f}")
if not losses["mse@0.979"] < 0.979**2:
    sys.exit("error at noise 0.979 is no better than the noise: train longer")

# 4. Compare with HIO on objects that it has never seen, at a noise where HIO fails. One object proves nothing: count over
#    several, and compare pairs (tutorials/compare_fairly.py).
calls = {"search": 300, "evaluations": 60} if QUICK else {}
better = []
for number in range(2 if QUICK else 10):
    problem = samples.problem(number, TEST_SEED, Noise(sigma=0.05))
    with_prior = rt.solve(Diffusion(weights=str(weights), **calls), problem, starts=2)
    without = rt.solve(rt.solvers.HIO(iterations=500), problem, starts=2)
    reached = [align(r.object, problem.truth).correlation for r in (with_prior, without)]
    print(f"object {number}: {reached[0]:.3f} with the prior, {reached[1]:.3f} by HIO; R_free {with_prior.score.r_free:.3g}")
    better.append(reached[0] > reached[1])
print(f"better with the prior on {sum(better)} of {len(better)}")

# 5. A prior is an assumption. It is good for supports and domains like its training set, which its card describes.
print("trained for", card_of(weights)["geometry"])
