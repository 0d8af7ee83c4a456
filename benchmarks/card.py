"""What a card does: HIO at 64² for one start and for a thousand, 256³ beside cuFFT, diffusion for eight starts.

    python benchmarks/card.py               # on the CUDA card that --device auto would take
    python benchmarks/card.py cpu 20 4      # the same code on a CPU, twenty starts and 4³ times less: to see that it runs

Wall time until the card is done, of a run after one that compiles and plans. Iterations are the solver's own steps, drained;
"as arrays" is without the accelerated path, as with RETRIEVE_FAST=0. Two transforms are
cuFFT's own, planned once, without a factor. Lee et al. (2026) give 234 ms for 500 iterations of HIO and 6.61 s for one start
of diffusion.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from clock import problem, save
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve.driver.batch import RunContext
from retrieve.driver.run_spec import RunSpec
from retrieve.errors import InputError
from retrieve.numerics import fast
from retrieve.numerics.arrays import Device, fftn, find_device, ifftn, synchronise
from retrieve.simulate import TEST_SEED, Noise, object_set
from retrieve.solvers.base import Streams

SEARCHED, ONE, EACH, OVER, EIGHT = 500, 20e-3, 0.2e-3, 1.5, 0.5
"""Iterations at 64²; at most so many seconds for one start, a start of many, two transforms, seconds for eight starts."""

Row = tuple[str, float, float, str]


def seconds(work: Callable[[], object], where: Device, first: Callable[[], object] | None = None) -> float:
    """Wall seconds of the work, after `first`, or after itself."""
    (first or work)()
    synchronise(where)
    begun = time.perf_counter()
    work()
    synchronise(where)
    return time.perf_counter() - begun


@contextlib.contextmanager
def as_arrays() -> Iterator[None]:
    """Without the accelerated path."""
    kept, fast.part = fast.part, lambda name: None  # type: ignore[assignment]
    try:
        yield
    finally:
        fast.part = kept


def hio(where: Device, shape: tuple[int, ...], starts: int, count: int) -> float:
    """Wall seconds of so many iterations of all starts in one array."""
    solver, numbers = rt.solvers.HIO(iterations=count), range(starts)
    data = RunContext.of(RunSpec(solver, device=where.name), problem(shape)).problem
    x = where.put(solver.start(data, Streams.of(0, numbers)))

    def drained(solver: rt.solvers.HIO) -> None:
        for _ in solver.steps(data, x, Streams.of(0, numbers)):
            pass

    return seconds(lambda: drained(solver), where, lambda: drained(rt.solvers.HIO(iterations=3)))


def solved(where: Device, shape: tuple[int, ...], starts: int, count: int) -> float:
    """Wall seconds of a solve with so many iterations, with all that it does."""
    solver, data = rt.solvers.HIO(iterations=count), problem(shape)
    return seconds(lambda: rt.solve(solver, data, starts=starts, batch=starts, score_every=count, device=where.name), where)


def transforms(where: Device, shape: tuple[int, ...], count: int) -> float:
    """Wall seconds of so many pairs of bare transforms."""
    x = where.put(np.ones((1, *shape), np.complex64))

    def pairs() -> None:
        for _ in range(count):
            ifftn(fftn(x, len(shape)), len(shape))

    def planned() -> None:
        for _ in range(count):
            plan.fft(x, y, cufft.CUFFT_FORWARD)
            plan.fft(y, y, cufft.CUFFT_INVERSE)

    if where.name == "cpu":
        return seconds(pairs, where)
    from cupy.cuda import cufft
    from cupyx.scipy.fft import get_fft_plan

    y, plan = where.xp.empty_like(x), get_fft_plan(x, axes=tuple(range(1, x.ndim)))
    return seconds(planned, where)


def diffusion(where: Device, starts: int, less: bool) -> float:
    """Wall seconds of so many starts of the sampler with the prior that ships, all of them run to the end; `less` of a run."""
    data = object_set("domains2d-50-cells").problem(0, TEST_SEED, Noise(sigma=0.05))
    from retrieve.plugins.registry import find

    kind = find("solvers", "diffusion")
    short = kind(search=40, evaluations=4, rounds=1)

    def run(solver: rt.solvers.Solver) -> Callable[[], object]:
        return lambda: rt.solve(solver, data, starts=starts, batch=starts, agree=0, device=where.name)

    return seconds(run(short if less else kind()), where, run(short))


def measured(where: Device, many: int, side: int, count: int) -> Iterator[Row]:
    """What is measured, in which unit, and at most how much it may be; infinite where nothing is asked."""
    small, large, less = (64, 64), (side,) * 3, side < 256
    for starts, told, bar in ((1, "one start", ONE), (many, f"a start of {many}", EACH)):
        loop, whole = (timed(where, small, starts, SEARCHED) for timed in (hio, solved))
        yield f"HIO, {SEARCHED} iterations at 64², {told}", 1e3 * loop / starts, 1e3 * bar, "ms"
        yield "  a solve of them, with all that it does", 1e3 * whole / starts, math.inf, "ms"
        yield "  an iteration of all starts", 1e6 * loop / SEARCHED, math.inf, "µs"
        with as_arrays():
            yield "  the same as arrays", 1e6 * hio(where, small, starts, SEARCHED // 5) / (SEARCHED // 5), math.inf, "µs"
    loop, pair = hio(where, large, 1, count) / count, transforms(where, large, count) / count
    yield f"HIO, an iteration at {side}³", loop / pair, OVER, "of two transforms"
    yield "  an iteration", 1e3 * loop, math.inf, "ms"
    yield "  two transforms", 1e3 * pair, math.inf, "ms"
    with as_arrays():
        yield "  an iteration as arrays", 1e3 * hio(where, large, 1, count) / count, math.inf, "ms"
    try:
        yield "diffusion, eight starts at 64²", diffusion(where, 1 if less else 8, less), EIGHT, "s"
    except InputError as error:
        print(f"diffusion is left out: {error}")


def main() -> int:
    name, *less = sys.argv[1:] or ["auto"]
    where = find_device(name)
    if where.name == "cpu" and name != "cpu":
        raise SystemExit("no CUDA card found through CuPy; install the extra cuda12 or cuda13 on a machine that has one")
    many, smaller = (int(word) for word in (less or ["1000", "1"]))
    rows = []
    table = Table("what", "measured", "at most", "")
    for what, value, bar, unit in measured(where, many, 256 // smaller, 20 if smaller > 1 else 100):
        rows.append({"what": what.strip(), "measured": value, "bar": None if math.isinf(bar) else bar, "unit": unit})
        table.add_row(what, f"{value:.3g}", "" if math.isinf(bar) else f"{bar:g}", unit)
    Console(width=120).print(table)
    if where.name != "cpu":
        import cupy

        device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"].decode()
        save("card", {"card": {"device": device, "rows": rows}})
    return int(any(row["bar"] is not None and row["measured"] > row["bar"] for row in rows))  # type: ignore[operator]


if __name__ == "__main__":
    sys.exit(main())
