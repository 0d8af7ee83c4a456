"""Pulse trains with known truth, from raw frames to objects; a file larger than memory; the gold crystal from its frames.

    python benchmarks/pulses.py                  # all, five minutes on one core
    python benchmarks/pulses.py trains speckles large crystal

`trains`: selection, and the objects of the first 24 and the last 55 kept frames.  `speckles`: bad pulses that hit a film
elsewhere.  `large`: time and peak memory of 21 GB of frames.  `crystal`: needs the data folder, RETRIEVE_DATA, by default
../shared/data beside the checkout.  Prints a line each and writes benchmarks/results/pulses.json.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.prepare import PreparedTrain, Pulses, Scan, frames_of, prepare_pulses, prepare_scan, read_calibration
from retrieve.provenance import versions
from retrieve.simulate import PulseTrain, Recording, object_set, record
from retrieve.simulate.pulses import write_recording

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("RETRIEVE_DATA", HERE.parents[1] / "shared" / "data"))
RECIPE = rt.solvers.Recipe(recipe="300 raar + 200 er")
ROLES = ("dark", "gain", "flat", "background")


def prepared(made: Recording, options: Pulses) -> PreparedTrain:
    """A recording through its file, as the command reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_recording(made, Path(folder) / "train.h5")
        with frames_of([path]) as frames:
            calibration = read_calibration(frames.shape, frames.always, **{role: f"{path}:/{role}" for role in ROLES})
            return prepare_pulses(frames, options, calibration)


def selection(train: PreparedTrain, made: Recording) -> dict[str, float]:
    """How well the planted bad pulses were found out."""
    kept = train.selection.kept
    right = float((kept & made.good).sum())
    return {"precision": right / float(kept.sum()), "recall": right / float(made.good.sum())}


def trains() -> list[dict[str, Any]]:
    """Five crystals: best of four starts, the support known."""
    rows = []
    for clip in ("first", "last"):
        for number in range(5):
            made = record(object_set("crystal2d"), PulseTrain(), 0, number)
            train = prepared(made, Pulses(ranges=":24,-55:", clip=clip))
            known = [problem.replace(support=made.support) for problem in train.problems]
            first, second = (rt.solve(RECIPE, problem, starts=4, seed=0).object for problem in known)
            truth = [align(x, made.truth, ramp=True).correlation for x in (first, second)]
            row = {"clip": clip, "object": number, **selection(train, made)}
            rows.append(row | {"mutual": align(first, second, ramp=True).correlation, "truth": truth})
            print(rows[-1], flush=True)
    return rows


def speckles() -> list[dict[str, Any]]:
    """The worst of four trains of a film, half of the bad pulses elsewhere on it."""
    rows = []
    for photons in (0.1, 0.2, 0.5, 2.0):
        for detail in (0.0, 2.0, 4.0):
            recordings = [
                record(object_set("domains2d-50-cells"), PulseTrain(elsewhere=0.5, photons=photons), s) for s in range(4)
            ]
            found = [selection(prepared(made, Pulses(detail=detail)), made) for made in recordings]
            worst = {name: min(one[name] for one in found) for name in ("precision", "recall")}
            rows.append({"photons": photons, "detail": detail, **worst})
            print(rows[-1], flush=True)
    return rows


def large(frames: int = 20_000, side: int = 512) -> dict[str, Any]:
    """A sparse file of 100 patterns among empty frames; the peak is of this process, so run it alone."""
    y, x = np.mgrid[:side, :side] - side // 2
    pattern = 20 * np.exp(-np.hypot(y, x) / 40) * (1 + np.cos(x / 6))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.h5"
        with h5py.File(path, "w") as file:
            data = file.create_dataset("frames", (frames, side, side), "f4", chunks=(1, side, side), fillvalue=0)
            for k in np.linspace(0, frames - 1, 100).astype(int):
                data[k] = rng.poisson(pattern)
        began = time.perf_counter()
        with frames_of([path]) as opened:
            train = prepare_pulses(opened)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    made = {"file_gb": 4e-9 * frames * side**2, "kept": int(train.selection.kept.sum())}
    made |= {"seconds": time.perf_counter() - began, "peak_gb": peak}
    print(made, flush=True)
    return made


def crystal() -> dict[str, Any]:
    """The measured rocking scan from its frames and the mask of bad pixels, against the file prepared by hand."""
    with np.load(DATA / "aps34idc_s0054_raw_crop.npz") as raw, tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "frames.npy", raw["intensity"])
        np.save(Path(folder) / "mask.npy", raw["mask"].any(axis=0))
        with frames_of([Path(folder) / "frames.npy"]) as frames:
            calibration = read_calibration(frames.shape, mask=Path(folder) / "mask.npy")
            made = prepare_scan(frames, Scan(size="192,256,256", bin="1,2,2", threshold=2.0), calibration)
    by_hand = rt.read(DATA / "aps34idc_s0054_prepared.npz")
    score = rt.solve(rt.solvers.Recipe(), made.problem, seed=0).score
    told = {"counts": float(made.problem.power), "counts_by_hand": float(by_hand.power), "alien_spots": len(made.spots)}
    told |= {"r": score.r, "r_free": score.r_free}
    print(told, flush=True)
    return told


PARTS: dict[str, Callable[[], Any]] = {"large": large, "trains": trains, "speckles": speckles, "crystal": crystal}


def main() -> None:
    """Run what was asked for and write it down."""
    target = HERE / "results" / "pulses.json"
    kept = json.loads(target.read_text()) if target.exists() else {}
    for name in sys.argv[1:] or PARTS:
        kept[name] = PARTS[name]()
        kept["versions"] = versions()
        target.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
