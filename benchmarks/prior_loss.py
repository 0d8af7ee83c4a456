"""A denoiser's mean squared error at each noise level, beside that of the best linear denoiser of the same set.

    python benchmarks/prior_loss.py                       # the denoisers that ship, in two dimensions
    python benchmarks/prior_loss.py --weights FILE        # another one
    python benchmarks/prior_loss.py domains3d --objects 64 --samples 2000 --out benchmarks/results/prior3d.json

Errors are per pixel of the window, for objects of unit rms over it; σ in units of σ_data = 1/√2, of the real and
of the imaginary part. Both know the support. The covariance is of objects of a training seed, the errors are of
the first objects of the test seed. Blobs are all but Gaussian: on them no denoiser can do much better.
Prints a table for each set and writes benchmarks/results/prior2d.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from wiener import Wiener

from retrieve.numerics.arrays import cores
from retrieve.priors import weights
from retrieve.priors.denoiser import SIGMA_DATA, Denoiser
from retrieve.priors.training.diffusion_task import SIGMA_BINS, DiffusionTask
from retrieve.priors.training.objects import Simulated
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, TRAIN_SEED, object_set, torch_dataset

SETS = {2: ("domains2d-50-cells", "domains2d-50-blobs"), 3: ("domains3d-fits",)}
MANY = 3000  # pixels, above which the covariance is taken of what the samples span
TARGET = Path(__file__).parent / "results" / "prior2d.json"


def linear(name: str, task: DiffusionTask, samples: int) -> dict[str, list[float]]:
    """The best linear denoiser's errors at the levels of `BINS`: on the task's held-back objects, and as the bound says.

    Raises ValueError where the supports of the set differ.
    """

    def inside(x: Any, support: Any) -> np.ndarray:
        x, support = task.prepared(x, support)
        where = support[0, 0].bool()
        if not (support.bool() == where).all():
            raise ValueError(f"the supports of {name} differ; the bound is of one support")
        return torch.view_as_complex(x.movedim(1, -1).contiguous())[:, where].numpy()

    made = torch_dataset(object_set(name), seed=TRAIN_SEED + 2, batch=min(samples, 1000))
    parts = (inside(*batch[:2]) for batch in itertools.islice(made, -(-samples // 1000)))
    x = inside(*task.source.held(task.validation))
    wiener = Wiener.of(parts) if x.shape[1] < MANY else Wiener.spanned(np.concatenate(list(parts))[:samples])
    pixels = np.prod(task.module.window)
    sigmas = [level * SIGMA_DATA for level in SIGMA_BINS]
    return {
        "linear": [wiener.error(x, sigma) / pixels for sigma in sigmas],
        "bound": [wiener.bound(sigma) / pixels for sigma in sigmas],
    }


def compared(module: Denoiser, name: str, objects: int, samples: int) -> list[dict[str, Any]]:
    """A row for each noise level: the denoiser's error on a set, the linear one's, and their ratio."""
    task = DiffusionTask(module, Simulated(object_set(name), held_seed=TEST_SEED, name=name), validation=objects)
    with torch.inference_mode():
        found = list(task.validate(module).values())
    other = linear(name, task, samples)
    return [
        {"set": name, "level": level, "prior": mse, "linear": lin, "bound": bound, "ratio": mse / lin}
        for level, mse, lin, bound in zip(SIGMA_BINS, found, other["linear"], other["bound"], strict=True)
    ]


def show(title: str, rows: list[dict[str, Any]], console: Console) -> None:
    """A table for each set."""
    for name in dict.fromkeys(row["set"] for row in rows):
        table = Table("σ/σ_data", "prior", "best linear", "ratio", title=f"{title} on {name}")
        for row in rows:
            if row["set"] == name:
                table.add_row(*[f"{row[k]:.3g}" for k in ("level", "prior", "linear", "ratio")])
        console.print(table)


def main() -> int:
    """Print the tables; 2 where there is no denoiser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="of weights that ship")
    parser.add_argument("--weights", help="a file of weights")
    parser.add_argument("--objects", type=int, default=512, help="of the test seed")
    parser.add_argument("--samples", type=int, default=20_000, help="of which the covariance is taken")
    parser.add_argument("--out", type=Path, default=TARGET)
    given = parser.parse_args()
    torch.set_num_threads(cores())
    chosen = [given.weights or given.name] if given.weights or given.name else list(weights.shipped())
    console, told = Console(), {}
    for name in chosen:
        module = weights.load_weights(name)
        if not isinstance(module, Denoiser) or (len(module.window) != 2 and len(chosen) > 1):
            continue
        rows = [row for data in SETS[len(module.window)] for row in compared(module, data, given.objects, given.samples)]
        label = Path(name).stem
        show(label, rows, console)
        told[label] = {"sha256": weights.sha256(weights.path_of(name)), "rows": rows}
    if not told:
        console.print("no denoiser of two dimensions ships or was named; give --weights FILE")
        return 2
    given.out.parent.mkdir(exist_ok=True)
    about = {"objects": given.objects, "seed": TEST_SEED, "samples": given.samples, "versions": versions()}
    given.out.write_text(json.dumps({**about, "priors": told}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
