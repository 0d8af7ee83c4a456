"""`dps` from a search and from noise, with a denoiser that is told the measurement and with one that is not.

    python benchmarks/told.py search --objects 10        # single starts of the default, before and after the reverse diffusion
    python benchmarks/told.py error --weights FILE       # mean squared error of both denoisers at each noise level
    python benchmarks/told.py dps --weights FILE         # single starts and the best of them, as Lee et al. (2026) measure them
    python benchmarks/told.py dps --weights FILE --seed 2000000 --objects 8      # on tuning objects

The error is per pixel of the window, of the real and of the imaginary part, for objects of unit rms. For `dps` the table has
the complex correlation after alignment, the amplitude correlation as the objects lie, the phase similarity of eq. 10 over all
pixels and over the mask, and χ² of eq. 9. The best of a problem's starts is the one that R_free chose.
`search` runs one start an object. Its seconds are of processor time. Prints tables and writes benchmarks/results/told.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve.evaluate.metrics import evaluate
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.priors.patterns import data_step
from retrieve.priors.precision import arithmetic
from retrieve.priors.told import Measured
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.told_task import ToldTask
from retrieve.priors.weights import load_weights, path_of, sha256
from retrieve.priors.windows import broadcast_over
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, Noise, object_set
from retrieve.solvers.base import Streams
from retrieve.solvers.learned.dps import DPS

SIGMAS = (0.3, 0.6, 1.0, 1.5, 2.5, 4.0, 8.0)
KINDS = ("cells", "blobs")
TARGET = Path(__file__).parent / "results" / "told.json"


def error(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The error of E[x₀] told and untold, for each kind of object and noise of the measurement."""
    module, rows = load_weights(given.weights), []
    for kind in given.kinds:
        task = ToldTask(module, Simulated(f"domains2d-50-{kind}", held_seed=given.seed), validation=given.objects)
        x, support = task.held(given.objects)
        for share in (None, *given.noise):
            rng, none = torch.Generator().manual_seed(0), torch.zeros(len(x))
            scale, *measured = task.measured(x, none + (share or 0), none, none, rng)

            def told(part: torch.Tensor, measured: list[torch.Tensor] = measured) -> Measured:
                y, valid, noise = (each[part] for each in measured)
                return Measured(data_step(y, valid, noise), noise, tuple(y.shape[1:]))

            with torch.inference_mode(), arithmetic("auto", torch.device("cpu")):
                scaled, how = x / broadcast_over(scale, x), None if share is None else told
                found = [task.error(module, scaled, support, sigma, rng, how) / 2 for sigma in SIGMAS]
            rows.append(
                {"kind": kind, "noise": "untold" if share is None else share} | dict(zip(map(str, SIGMAS), found, strict=True))
            )
    return rows


def dps(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Single starts from noise and the best of them, for each kind, noise and denoiser."""
    names = {"told": given.weights, "untold": given.untold}
    solvers = {name: DPS(weights=names[name], begin="noise", **changed(given)) for name in given.solvers}
    rows = []
    for kind in given.kinds:
        for share in given.noise:
            for name in given.solvers:
                starts, best, begun = [], [], time.perf_counter()
                for number in range(given.objects):
                    problem = object_set(f"domains2d-50-{kind}").problem(number, given.seed, Noise(sigma=share))
                    result = rt.solve(solvers[name], problem, starts=given.starts, batch=given.starts, agree=0)
                    starts += [figures(x, problem) for x in result.estimates]
                    best.append(figures(result.object, problem))
                seconds = (time.perf_counter() - begun) / len(starts)
                rows.append({"kind": kind, "noise": share, "denoiser": name, **told_of("single", starts), **told_of("best", best),
                             "objects": given.objects, "starts": given.starts, "seconds": round(seconds, 2)})  # fmt: skip
                print(rows[-1], flush=True)
    return rows


def search(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Single starts of the default `dps`, one an object, and the estimates of `diffusion` that they follow."""
    rows, device = [], find_device("cpu", "torch")
    for share in given.noise:
        for kind in given.kinds:
            followed, drawn, begun, evaluations = [], [], time.process_time(), 0.0
            for number in range(given.objects):
                problem = object_set(f"domains2d-50-{kind}").problem(number, given.seed, Noise(sigma=share))
                solver, rng, there, before = DPS(**changed(given)), Streams.of(0, [0]), problem.to(device), None
                for step in solver.steps(there, solver.start(there, rng), rng):
                    evaluations += step.evaluations
                    before = before if step.stage == "dps" else step.x
                    x = step.x
                followed.append(figures(to_numpy(before)[0], problem))
                drawn.append(figures(to_numpy(x)[0], problem))
            every = {"objects": given.objects, "calls": evaluations / given.objects}
            every["seconds"] = round((time.process_time() - begun) / given.objects, 2)
            rows.append({"kind": kind, "noise": share, **told_of("search", followed), **told_of("dps", drawn), **every})
            print(rows[-1], flush=True)
    return rows


def changed(given: argparse.Namespace) -> dict[str, Any]:
    return {} if given.timesteps is None else {"timesteps": given.timesteps}


def figures(x: np.ndarray, problem: rt.Problem) -> dict[str, float]:
    """The figures of one object."""
    found = evaluate(x, problem, problem.truth)
    return {"correlation": align(x, problem.truth).correlation, **{k: float(v) for k, v in found.items() if np.isscalar(v)}}


def told_of(name: str, every: list[dict[str, float]]) -> dict[str, float]:
    """The share above 0.95 in complex correlation, and the median of each figure."""
    found = {f"{name} found": float(np.mean([each["correlation"] > 0.95 for each in every]))}
    return found | {f"{name} {key}": round(float(np.median([each[key] for each in every])), 4) for key in every[0]}


PARTS: dict[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {"search": search, "error": error, "dps": dps}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all unless given")
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01, 0.05])
    parser.add_argument("--solvers", nargs="+", choices=("told", "untold"), default=["told", "untold"])
    parser.add_argument("--timesteps", type=int, help="of both; by default 100 told, 500 untold")
    parser.add_argument("--weights", help="of the told denoiser, which `error` and `dps` need: none ship")
    parser.add_argument("--untold", default="domains2d")
    parser.add_argument("--out", type=Path, default=TARGET)
    given = parser.parse_args()
    kept = json.loads(given.out.read_text()) if given.out.exists() else {}
    for part in given.parts or PARTS:
        rows = PARTS[part](given)
        table = Table(*rows[0])
        for row in rows:
            table.add_row(*[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()])
        Console(width=300).print(table)
        about = {
            "weights": sha256(path_of(given.untold if part == "search" else given.weights)),
            "seed": given.seed,
            "objects": given.objects,
            "versions": versions(),
        }
        kept[part] = {**about, "rows": rows}
        given.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
