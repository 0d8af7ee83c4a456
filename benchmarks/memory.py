"""Peak memory of a run of `auto` in three dimensions: one start of a crystal, from the file to the page, stage by stage.

    python benchmarks/memory.py                            # 64³, 128³ and 256³
    python benchmarks/memory.py --sizes 64,96,128 --no-page
    python benchmarks/memory.py --starts 2 --blur 0.5      # what a second start and a fitted kernel take besides
    python benchmarks/memory.py --sizes 512 --minutes 600

Each size runs in a process of its own, on counts in an npz file. Few iterations are done (--effort): they hold the same arrays as
many. The last lines extrapolate each stage along a + b·voxels, from the two largest sizes.
Where the system can reset a peak (Linux), each stage has its own; elsewhere a stage has that of all before it, too. Writes
benchmarks/results/memory.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent / "results" / "memory.json"
BOUNDS = {256: 8.0, 512: 24.0}
"""Gigabytes in which a run of so many pixels along each axis is to fit."""
PHOTONS = 250.0
"""For each voxel of a face of the array: 10⁶ in 64³."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="64,128,256")
    parser.add_argument("--effort", type=float, default=0.02, help="factor on the iterations; the peak does not depend on it")
    parser.add_argument("--starts", type=int, default=1)
    parser.add_argument("--no-page", action="store_true", help="neither picture nor page")
    parser.add_argument("--minutes", type=float, default=60, help="that one size may take")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--blur", type=float, default=0.0, help="of the pattern by the beam's coherence, px")
    parser.add_argument("--simulate", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.simulate:
        simulate(int(given.simulate[0]), given.simulate[1], given.blur)
    elif given.measure:
        print(json.dumps(measured(Path(given.measure), given.effort, given.starts, not given.no_page)))
    else:
        compared(given)


def compared(given: argparse.Namespace) -> None:
    """Run each size in a process of its own; print and write the peaks."""
    every = json.loads(given.out.read_text()) if given.out.exists() else {}
    name = f"{given.starts} start{'s' * (given.starts > 1)}, blur {given.blur:g} px{', no page' * given.no_page}"
    kept = every.get(name, {}).get("sizes", {})
    own = ["--effort", str(given.effort), "--starts", str(given.starts), *["--no-page"] * given.no_page]
    for size in map(int, given.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            scan = str(Path(folder, "scan.npz"))
            subprocess.run([sys.executable, __file__, "--simulate", str(size), scan, "--blur", str(given.blur)], check=True)
            words = [sys.executable, __file__, "--measure", scan, *own]
            made = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=60 * given.minutes)
        found = json.loads(made.stdout.splitlines()[-1])
        found["bytes_per_voxel"] = 1e9 * found["gb"] / size**3
        kept[str(size)] = found
        stages = ", ".join(f"{name} {one['gb']:.2f}" for name, one in found["stages"].items())
        print(f"{size}³: {found['gb']:.2f} GB, {found['bytes_per_voxel']:.0f} bytes a voxel ({stages})", flush=True)
    every[name] = {"effort": given.effort, "sizes": kept, "extrapolated": extrapolated(kept)}
    for size, one in every[name]["extrapolated"].items():
        print(f"{size}³ by extrapolation: {one['gb']:.1f} GB ({one['stage']}), to fit in {one['bound']:g}")
    given.out.write_text(json.dumps(every, indent=1) + "\n")


def extrapolated(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The largest of the stages' peaks, each as a + b·voxels through the two largest sizes, for each size of `BOUNDS`."""
    known = sorted((int(size), one["stages"]) for size, one in kept.items())[-2:]
    if len(known) < 2:
        return {}
    (small, low), (large, high) = known
    told = {}
    for size, bound in BOUNDS.items():
        share = (size**3 - small**3) / (large**3 - small**3)
        stages = {name: low[name]["gb"] + share * (high[name]["gb"] - low[name]["gb"]) for name in low if name in high}
        stage = max(stages, key=lambda name: stages[name])
        told[str(size)] = {"gb": stages[stage], "stage": stage, "bound": bound}
    return told


# in processes of their own -----------------------------------------------------------------------------


def simulate(size: int, path: str, blur: float) -> None:
    """Write the counts of a crystal of unknown support, blurred by so many pixels, in single precision and slab by slab."""
    import numpy as np
    import scipy.fft
    from scipy.ndimage import gaussian_filter

    from retrieve.simulate import crystal

    part, x = slice(size // 4, size // 4 + size // 2), np.zeros((size,) * 3, np.complex64)
    x[part, part, part] = crystal((size // 2,) * 3, seed=0, fill=0.5)
    far = scipy.fft.fftn(x, norm="ortho", overwrite_x=True)
    del x
    intensity = np.fft.fftshift(far.real**2 + far.imag**2)
    del far
    if blur:
        intensity = gaussian_filter(intensity, blur, mode="wrap")
    intensity *= PHOTONS * size**2 / float(intensity.sum(dtype=float))
    rng = np.random.default_rng(0)
    for slab in intensity:
        slab[:] = rng.poisson(slab)
    np.savez(path, intensity=intensity)


def measured(scan: Path, effort: float, starts: int, page: bool) -> dict[str, Any]:
    """The stages of `retrieve run`, each with its peak in GB and its seconds."""
    import retrieve as rt
    from retrieve.report.page import write_page
    from retrieve.solvers.blind.auto import Auto

    made: dict[str, Any] = {}
    work: dict[str, Callable[[], Any]] = {
        "read": lambda: rt.read(scan),
        "solve": lambda: rt.solve(Auto(effort=effort), made["read"], starts=starts, strict=False),
        "verdict": lambda: dataclasses.replace(made["solve"], verdict=rt.judge(made["solve"])),
        "uncertainty": lambda: dataclasses.replace(made["verdict"], uncertainty=rt.uncertainty_of(made["verdict"])),
        "save": lambda: made["uncertainty"].save(scan.with_suffix(".cxi")),
        "picture": lambda: rt.picture(made["uncertainty"], scan.with_suffix(".png")),
        "page": lambda: write_page(made["uncertainty"], scan.with_suffix(".html")),
    }
    stages = {}
    for name, do in list(work.items())[: None if page else -2]:
        reset_peak()
        begun = time.perf_counter()
        made[name] = do()
        stages[name] = {"gb": peak(), "seconds": time.perf_counter() - begun}
    return {"gb": max(one["gb"] for one in stages.values()), "starts": starts, "stages": stages}


def reset_peak() -> None:
    """Begin a peak anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak() -> float:
    """The largest resident memory since then, GB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1e9
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


if __name__ == "__main__":
    main()
