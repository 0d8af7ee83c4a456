"""The diffusion solver by itself: its speed, whether its spread is honest, and crystals of unknown support.

    python benchmarks/diffusion.py                   # all
    python benchmarks/diffusion.py speed spread      # some

The data folder of `frames` is RETRIEVE_DATA, by default ../shared/data beside the checkout. Prints a line a run and
writes benchmarks/results/diffusion.json. Simulated objects are of the test seed; no run looks at a truth.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from foundation import DATA
from reachable import coverage

import retrieve as rt
from retrieve.evaluate.ensemble import correlation_matrix, upper
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import cores
from retrieve.plugins.registry import find
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, Noise, object_set

HERE = Path(__file__).resolve().parent
KINDS = ("cells", "blobs")
SOLVERS = ("recipe", "hio", "unet", "dps", "diffusion")
OFFSETS = (-8, 8, -16, 16, -26, 26)


def speed(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one reconstruction, eight starts of 64², all of them run; the median of three, when the weights are read."""
    solver, found = _solver("diffusion", given), {"cores": cores()}
    for kind, noise in itertools.product(given.kinds, (0.01, 0.05)):
        problem = object_set(f"domains2d-50-{kind}").problem(0, TEST_SEED, Noise(sigma=noise))
        taken = [rt.solve(solver, problem, starts=8, agree=0, seed=seed, device=given.device).cost for seed in range(4)][1:]
        seconds, calls = ([getattr(cost, name) for cost in taken] for name in ("seconds", "network_evaluations"))
        found[f"{kind} {noise:g}"] = {
            "seconds": round(float(np.median(seconds)), 2),
            "evaluations": round(float(np.median(calls))),
        }
        print(f"speed: {kind} {noise:g} {found[f'{kind} {noise:g}']}", flush=True)
    return found


def spread(given: argparse.Namespace) -> dict[str, Any]:
    """Coverage of 80 % intervals of the amplitude from 64 samples inside the support, and Spearman of error and spread."""
    from scipy.stats import spearmanr

    found: dict[str, Any] = {}
    for kind, noise in itertools.product(given.kinds, given.noise):
        rows, pixels = [], []
        for number in range(given.objects):
            problem = object_set(f"domains2d-50-{kind}").problem(number, TEST_SEED, Noise(sigma=noise))
            result = rt.solve(_solver("diffusion", given), problem, starts=8, samples=64, batch=16, device=given.device)
            inside, onto = problem.support, align(result.object, problem.truth)
            samples = np.array([align(x, problem.truth).object for x in result.samples])
            covered = coverage(samples, problem.truth, inside)
            drawn, truth = np.abs(samples)[:, inside], np.abs(problem.truth)[inside]
            pixels.append(np.array([np.abs(drawn.mean(axis=0) - truth), drawn.std(axis=0)]) / truth.mean())
            rank = float(spearmanr(*pixels[-1]).statistic)
            most = float(np.mean([_within(drawn, k, spearmanr) for k in range(len(drawn))]))
            rows.append((covered, rank, onto.correlation, most))
            said = f"covered {covered:.3f}, Spearman {rank:.2f} (of a sample {most:.2f}), right {onto.correlation:.3f}"
            print(f"spread {kind} {noise:g} {number}: {said}", flush=True)
        every = np.array(rows)
        right = every[:, 2] > 0.95
        found[f"{kind} {noise:g}"] = {
            "objects": len(every),
            "coverage": _mean(every[:, 0]),
            "spearman": _mean(every[:, 1]),
            "spearman_of_a_sample": _mean(every[:, 3]),
            "spearman_of_all_pixels": float(spearmanr(*np.concatenate(pixels, axis=1)).statistic),
            "solved": int(right.sum()),
            "coverage_solved": _mean(every[right, 0]),
            "coverage_missed": _mean(every[~right, 0]),
            "spearman_solved": _mean(every[right, 1]),
        }
        print(f"spread {kind} {noise:g}: {found[f'{kind} {noise:g}']}", flush=True)
    return found


def _within(drawn: np.ndarray, k: int, spearman: Callable[..., Any]) -> float:
    """Spearman of error and spread if sample k were the truth and the others were drawn: all that a perfect sampler reaches."""
    others = np.delete(drawn, k, axis=0)
    return float(spearman(np.abs(others.mean(axis=0) - drawn[k]), others.std(axis=0)).statistic)


def frames(given: argparse.Namespace) -> dict[str, Any]:
    """Off-peak frames of a gold crystal, support unknown: R_free and agreement of independent runs of each solver.

    The patterns are cropped to 64², the networks' grid. `diffusion` names the priors that its starts took.
    """
    found: dict[str, Any] = {}
    with np.load(DATA / "aps34idc_s0054_frames2d.npz") as file:
        stack, masks, offsets = file["intensity"], file["mask"], file["offsets"].tolist()
    for offset in given.frames:
        pattern, mask = (a[offsets.index(offset)] for a in (stack, masks))
        peak = np.unravel_index(np.argmax(np.where(mask, pattern, 0)), pattern.shape)
        first = [min(max(0, int(p) - 32), n - 64) for p, n in zip(peak, pattern.shape, strict=True)]
        window = tuple(slice(f, f + 64) for f in first)
        problem = rt.Problem.from_arrays(intensity=pattern[window], mask=mask[window])
        for name in given.solvers:
            solver = _solver(name, given)
            try:
                starts = 1 if name in ("unet", "dps") else given.starts
                runs = [rt.solve(solver, problem, starts=starts, seed=seed) for seed in range(given.runs)]
            except rt.RetrieveError as error:
                found[f"{offset} {name}"] = {"refused": str(error)}
                print(f"frames {offset:+d} {name}: {error}", flush=True)
                continue
            alike = upper(correlation_matrix(np.array([run.object for run in runs])))
            found[f"{offset} {name}"] = {
                "r": [round(run.score.r, 5) for run in runs],
                "r_free": [round(float(run.score.r_free or np.nan), 5) for run in runs],
                "agreement": round(float(alike.mean()), 4),
                "starts": starts,
                "priors": dict(Counter(prior for run in runs for prior in _priors(run))),
                "seconds": round(float(np.mean([run.cost.seconds for run in runs])), 2),
            }
            print(f"frames {offset:+d} {name}: {found[f'{offset} {name}']}", flush=True)
    return found


def crystals(given: argparse.Namespace) -> dict[str, Any]:
    """Simulated crystals of unknown support: correlation with the truth of each solver's result, and how many are found (> 0.95).

    `recipe` and `diffusion` run as many starts. A name with weights behind a colon is `diffusion` with these.
    """
    found: dict[str, Any] = {}
    for name in given.sets:
        for photons in given.photons:
            rows: dict[str, list[tuple[float, float, float]]] = {solver: [] for solver in given.crystal_solvers}
            for number in range(given.crystals):
                problem = object_set(name).problem(number, TEST_SEED, Noise(photons=photons, support="unknown"))
                for solver, kept in rows.items():
                    base, _, weights = solver.partition(":")
                    made = find("solvers", base)(**({"weights": weights} if weights else {}))
                    starts = None if base == "auto" else given.starts
                    run = rt.solve(made, problem.replace(truth=None), starts=starts, agree=0 if starts else None)
                    kept.append((align(run.object, problem.truth).correlation, run.score.rank, run.cost.seconds))
                said = ", ".join(f"{solver} {kept[-1][0]:.3f}" for solver, kept in rows.items())
                print(f"crystals {name} {photons:g} {number}: {said}", flush=True)
            for solver, kept in rows.items():
                right, free, seconds = np.array(kept).T
                found[f"{name} {photons:g} {solver}"] = {
                    "correlation": [round(float(c), 4) for c in right],
                    "median": round(float(np.median(right)), 4),
                    "found": int((right > 0.95).sum()),
                    "r_free": [round(float(r), 5) for r in free],
                    "seconds": round(float(seconds.mean()), 2),
                }
                print(f"crystals {name} {photons:g} {solver}: {found[f'{name} {photons:g} {solver}']}", flush=True)
    return found


def _priors(run: Any) -> list[str]:
    """The prior of each start that tells it."""
    return [line.split()[1].rstrip(":") for lines in run.account for line in lines if line.startswith("prior ")]


def _solver(name: str, given: argparse.Namespace) -> Any:
    solver = find("solvers", name)
    return solver(weights=given.weights) if given.weights and name in ("dps", "diffusion") else solver()


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "speed": speed,
    "spread": spread,
    "frames": frames,
    "crystals": crystals,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all unless given")
    parser.add_argument("--objects", type=int, default=40, help="of each kind, for the spread")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of objects, for the spread")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01, 0.05, 0.1], help="of the patterns, for the spread")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS), help="for the frames")
    parser.add_argument("--weights", help="another prior than the shipped one")
    parser.add_argument("--frames", type=int, nargs="+", choices=OFFSETS, default=list(OFFSETS), help="offsets of the frames")
    parser.add_argument("--sets", nargs="+", default=["crystals2d", "crystal2d-strong"], help="of crystals")
    parser.add_argument("--photons", type=float, nargs="+", default=[1e4, 1e6], help="in a crystal's pattern")
    parser.add_argument("--crystals", type=int, default=10, help="objects of each set at each number of photons")
    parser.add_argument("--crystal-solvers", nargs="+", default=["recipe", "auto", "diffusion:domains2d", "diffusion"])
    parser.add_argument("--starts", type=int, default=4, help="of each run on crystals and frames")
    parser.add_argument("--runs", type=int, default=4, help="of each solver on a frame, which hold out other pixels")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "diffusion.json")
    given = parser.parse_args()
    kept = json.loads(given.out.read_text()) if given.out.exists() else {}
    for name in given.parts or PARTS:
        begun = time.perf_counter()
        found = PARTS[name](given)
        kept[name] = {**kept.get(name, {}), **found, "versions": versions(), "took": round(time.perf_counter() - begun, 1)}
        given.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
