"""What a card does: HIO at 64² for one start and for a thousand, 256³ beside cuFFT, diffusion for eight starts.

    python benchmarks/card.py               # on the CUDA card that --device auto would take
    python benchmarks/card.py cpu 20 4      # the same code on a CPU, twenty starts and 4³ times less: to see that it runs

Wall time until the card is done, the second of two runs. An iteration is the difference of a long and a short run, scored
at the end alone. Lee et al. (2026) give 234 ms for 500 iterations of HIO and 6.61 s for one start of diffusion.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from clock import problem, save
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve.arrays import Device, fftn, find_device, ifftn, synchronise
from retrieve.errors import InputError
from retrieve.simulate import TEST_SEED, Noise, named

SEARCHED, ONE, EACH, OVER, EIGHT = 500, 20e-3, 0.2e-3, 1.5, 0.5
"""Iterations at 64²; at most so many seconds for one start, a start of many, two transforms, seconds for eight starts."""


def seconds(work: Callable[[], object], where: Device) -> float:
    """Wall seconds of the second of two runs."""
    for _ in range(2):
        synchronise(where)
        begun = time.perf_counter()
        work()
        synchronise(where)
    return time.perf_counter() - begun


def hio(where: Device, shape: tuple[int, ...], starts: int, count: int) -> float:
    """Wall seconds of so many iterations of all starts in one array."""
    data = problem(shape)

    def run(n: int) -> float:
        solver = rt.solvers.HIO(iterations=n)
        more = {"starts": starts, "batch": starts, "score_every": n, "device": where.name}
        return seconds(lambda: rt.solve(solver, data, **more), where)  # type: ignore[arg-type]

    return run(count + 1) - run(1)


def transforms(where: Device, shape: tuple[int, ...], count: int) -> float:
    """Wall seconds of so many pairs of transforms."""
    x = where.put(np.ones((1, *shape), np.complex64))

    def pairs() -> None:
        for _ in range(count):
            ifftn(fftn(x, len(shape)), len(shape))

    return seconds(pairs, where)


def diffusion(where: Device, starts: int) -> float:
    """Wall seconds of so many starts of the sampler with the prior that ships, all of them run to the end."""
    data = named("domains2d-50-cells").problem(0, TEST_SEED, Noise(sigma=0.05))
    from retrieve.plugins import find

    solver = find("solvers", "diffusion")()
    return seconds(lambda: rt.solve(solver, data, starts=starts, batch=starts, agree=0, device=where.name), where)


def main() -> int:
    name, *less = sys.argv[1:] or ["auto"]
    where = find_device(name)
    if where.name == "cpu" and name != "cpu":
        raise SystemExit("no CUDA card found through CuPy; install the extra cuda12 or cuda13 on a machine that has one")
    many, smaller = (int(word) for word in (less or ["1000", "1"]))
    side, count = 256 // smaller, 20
    one, all_of_them = hio(where, (64, 64), 1, SEARCHED), hio(where, (64, 64), many, SEARCHED)
    ratio = hio(where, (side,) * 3, 1, count) / transforms(where, (side,) * 3, count)
    rows = [
        (f"HIO, {SEARCHED} iterations at 64², one start", one, ONE, "s"),
        (f"HIO, {SEARCHED} iterations at 64², a start of {many}", all_of_them / many, EACH, "s"),
        (f"HIO, an iteration at {side}³", ratio, OVER, "of two transforms"),
    ]
    try:
        rows.append(("diffusion, eight starts at 64²", diffusion(where, 8), EIGHT, "s"))
    except InputError as error:
        print(f"diffusion is left out: {error}")
    table = Table("what", "measured", "at most", "")
    for what, measured, bar, unit in rows:
        table.add_row(what, f"{measured:.3g}", f"{bar:g}", unit)
    Console(width=120).print(table)
    if where.name != "cpu":
        import cupy

        device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"].decode()
        save(
            "card",
            {"card": {"device": device, "rows": [dict(zip(("what", "measured", "bar", "unit"), r, strict=True)) for r in rows]}},
        )
    return int(any(measured > bar for _, measured, bar, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
