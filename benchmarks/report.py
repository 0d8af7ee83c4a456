"""Seconds and memory of the picture and the page of a large result.

    python benchmarks/report.py

Each case has a process of its own, which first draws a small result, so that imports and fonts do not count. The table gives
seconds, processor seconds beyond those of the small result for each million pixels, the memory beyond that of the result in
arrays (complex128 of the object's shape), the largest memory of the process, and the size of the file. The exit status is 1 if a
case misses a bar.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import retrieve as rt
from retrieve.report.page import write_page
from retrieve.report.result_picture import result_picture
from retrieve.simulate import beam_stop, crystal, measure

SHAPES = ((1024, 1024), (192, 128, 128), (128, 128, 128))
DRAW = {"picture": (result_picture, "out.png"), "page": (write_page, "out.html")}
SECONDS, BYTES, ARRAYS, FILE = 10.0, 1.5e9, 10.0, 8e6  # bars of a picture or page: seconds, memory, arrays, bytes


def result_of(shape: tuple[int, ...]) -> rt.Result:
    """A result of two starts, as a solve leaves it."""
    rng = np.random.default_rng(0)
    x = crystal(shape, seed=0, fill=0.4, phase=2.0).astype(np.complex64)
    x *= np.sqrt(1e8 / np.sum(np.abs(x) ** 2))
    noise = 0.05 * np.abs(x).max() * (np.abs(x) > 0) * rng.standard_normal((2, *shape), np.float32)
    estimates = x + noise
    return rt.Result(
        object=estimates[1],
        estimates=estimates,
        supports=np.abs(estimates) > 0,
        chosen=1,
        scores=(rt.Score(0.02, 0.05), rt.Score(0.01, 0.05)),
        history=({"step": [20.0, 40.0], "r": [0.3, 0.02], "r_free": [0.4, 0.05]},) * 2,
        cost=rt.Cost(),
        problem=rt.Problem.from_arrays(intensity=measure(x, photons=1e8), mask=beam_stop(shape, 4)),
        spread=np.abs(noise[0]),
        manifest={"solver": "hio"},
    )


def clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds."""
    begun = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def peak() -> int:
    """The largest memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(what: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Seconds, memory in arrays and of the process, and bytes of the file."""
    draw, name = DRAW[what]
    with tempfile.TemporaryDirectory() as folder:
        small, result = result_of((48,) * len(shape)), result_of(shape)
        draw(small, Path(folder) / name)
        _, least = clocked(lambda: draw(small, Path(folder) / name))
        before = current()
        seconds, own = clocked(lambda: draw(result, Path(folder) / name))
        size = (Path(folder) / name).stat().st_size
    return {
        "seconds": seconds,
        "each": (own - least) / np.prod(shape) * 1e6,
        "arrays": max(0, peak() - before) / (16 * np.prod(shape)),
        "memory": peak(),
        "file": size,
    }


def current() -> int:
    """The memory of this process now, bytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> int:
    """Measure every case and print the table."""
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1], tuple(map(int, sys.argv[2].split("x"))))))
        return 0
    missed = 0
    print("| result | | s | CPU s a megapixel | arrays | GB | MB of file |\n|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        for what in DRAW:
            text = "x".join(map(str, shape))
            own = [sys.executable, __file__, what, text]
            found = json.loads(subprocess.run(own, check=True, capture_output=True, text=True).stdout)
            seconds, each, arrays, memory, size = found.values()
            missed += seconds > SECONDS or memory > BYTES or arrays > ARRAYS or size > FILE
            numbers = f"{seconds:.1f} | {each:.1f} | {arrays:.1f} | {memory / 1e9:.2f} | {size / 1e6:.1f}"
            print(f"| {text} | {what} | {numbers} |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
