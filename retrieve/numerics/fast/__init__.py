"""The accelerated path, for complex64: planned transforms (FFTW) and compiled passes (numba) on a CPU, CuPy on a CUDA card.

numba is a dependency where it has wheels, and the extra `fast` installs FFTW; if one is missing, the other is used alone. Each
function does the same as array-API code elsewhere, which is its reference in the tests. It returns None for arrays that it does
not take.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

Number = float | np.float32
Pair = tuple[Number, Number]
CUDA = 2
"""DLPack's number of a CUDA card."""


@lru_cache(maxsize=3)
def part(name: str) -> Any:
    """The module `fftw`, `passes` or `card`; None if its package is not installed, or the variable RETRIEVE_FAST is 0."""
    if os.environ.get("RETRIEVE_FAST", "1") == "0":
        return None
    try:
        return importlib.import_module(f".{name}", __name__)
    except ImportError:
        if name == "passes":  # once, as the outcome is kept
            warnings.warn("numba is not there, so passes over arrays are not compiled; pip install numba", stacklevel=2)
        return None


def passes_for(x: Any) -> Any:
    """The compiled passes, for a complex64 NumPy array; else None."""
    return part("passes") if type(x) is np.ndarray and x.dtype == np.complex64 else None


@lru_cache(maxsize=64)
def planned(shape: tuple[int, ...]) -> Any:
    """The module `fftw`, if it transforms arrays of this shape; else None."""
    fftw = part("fftw")
    return fftw if fftw is not None and fftw.supported(shape) else None


def preferred_batch(shape: tuple[int, ...]) -> int:
    """Starts to run in one array of this shape: 8 up to 128², where a call costs as much as its work, else 1, for the cache."""
    return 8 if math.prod(shape) <= 1 << 14 and planned(shape) is not None else 1


@contextmanager
def plans_used() -> Iterator[set[str]]:
    """A set that gets names and hashes of the plans of transforms in the block, when it ends; empty without FFTW."""
    fftw = part("fftw")
    if fftw is None:
        yield set()
        return
    with fftw.plans_used() as used:
        yield used


def describe(shape: tuple[int, ...], plans: Iterable[str] = ()) -> str:
    """The libraries that work on complex64 arrays of this shape, and a hash of the used plans, in words for a manifest."""
    fftw = planned(shape)
    found = hashlib.sha256("\n".join(sorted(set(plans))).encode()).hexdigest()[:12]
    transform = "scipy" if fftw is None else f"fftw {fftw.pyfftw.fftw_version}, plans {found}"
    return transform if part("passes") is None else f"{transform}, compiled passes"


def fit_modulus(
    x: np.ndarray, amplitude: np.ndarray, valid: np.ndarray, threads: int, root: tuple[float, float] | None = None
) -> np.ndarray | None:
    """`Problem.fit_modulus` of x (batch, *shape) on a plain far field; with `root` (b, c) the modulus bv + √(b²v² + cy²)."""
    passes = passes_for(x)
    fftw = passes and planned(x.shape[1:])
    if not fftw or not x.flags.c_contiguous or amplitude.dtype != np.float32:
        return None
    n = x[0].size
    y, known = amplitude.reshape(x.shape[1], -1), valid.reshape(x.shape[1], -1)
    factor, free = np.float32(1 / math.sqrt(n)), np.float32(1 / n)
    out = np.empty_like(x)

    def set_modulus(block: np.ndarray, columns: slice) -> None:
        if root is None:
            passes.set_modulus(block, columns.start, y, known, factor, free)
        else:
            passes.temper_modulus(block, columns.start, y, known, factor, free, *map(np.float32, root))

    fftw.transform_and_back(x, out, set_modulus, x.ndim - 1, threads)
    return out


def flat(x: np.ndarray) -> np.ndarray:
    """x (batch, *shape) as (batch, points)."""
    return x.reshape(len(x), -1)


def mix(x: np.ndarray, m: np.ndarray, support: np.ndarray, inside: Pair, outside: Pair, out: np.ndarray) -> np.ndarray:
    """a·x + b·m into `out`, which may be x: one pair (a, b) inside the support, another outside."""
    part("passes").mix(flat(x), flat(m), flat(support), inside, outside, flat(out))
    return out


def select(inside: Any, x: Any, y: Any, out: Any) -> np.ndarray | None:
    """`retrieve.numerics.arrays.select` of complex64."""
    given = y if x is None else x
    if passes_for(given) is None or type(inside) is not np.ndarray:
        return None
    none, one = np.float32(0), np.float32(1)
    pairs = ((none, none) if x is None else (one, none)), (none, one)
    return mix(given, y, inside, *pairs, np.empty_like(given) if out is None else out)


def misfits(
    x: np.ndarray, support: np.ndarray | None, amplitude: np.ndarray, work: np.ndarray, held: np.ndarray, threads: int
) -> np.ndarray | None:
    """Σ(|F x| − y)² over the working and the held-out pixels, of x inside the support; float64 (batch, 2)."""
    passes = passes_for(x)
    fftw = passes and planned(x.shape[1:])
    if not fftw or amplitude.dtype != np.float32:
        return None
    y, seen, left = (a.reshape(x.shape[1], -1) for a in (amplitude, work, held))
    factor = np.float32(1 / math.sqrt(x[0].size))
    sums = np.zeros((len(x), 2))
    for k, total in enumerate(sums):
        one = x[k].copy() if support is None else np.where(support[k % len(support)], x[k], 0)
        blocks: dict[int, np.ndarray] = {}

        def measure(block: np.ndarray, columns: slice, blocks: dict[int, np.ndarray] = blocks) -> None:
            blocks[columns.start] = np.zeros(2)
            passes.misfits(block, columns.start, y, seen, left, factor, blocks[columns.start])

        fftw.inspect_spectrum(one, measure, one.ndim, threads)
        total[:] = sum(blocks[start] for start in sorted(blocks))  # in one order, so that threads change no bit
    return sums


def convolve(a: np.ndarray, transfer: np.ndarray, line: np.ndarray, out: np.ndarray | None, threads: int) -> np.ndarray | None:
    """`retrieve.numerics.arrays.convolve` of float32 or complex64 `a`, into `out`, which may be `a`."""
    able = type(a) is np.ndarray and a.dtype in (np.float32, np.complex64) and a.flags.c_contiguous
    fftw = planned(a.shape[1:]) if able else None
    if fftw is None:
        return None
    out = np.empty_like(a) if out is None or a.dtype.kind == "c" else out  # half spectra need memory of their own
    first, passes = line * np.float32(1 / a[0].size), part("passes")
    tables = transfer.reshape(*transfer.shape[: 2 - a.ndim], -1)
    tables = tables.reshape(-1, *tables.shape[-2:])
    for one, into, table in zip(a, out, itertools.cycle(tables), strict=False):

        def multiply(block: np.ndarray, columns: slice, table: np.ndarray = table) -> None:
            if passes is None or table.dtype != np.float32:
                block *= table[:, columns]
                block *= first[:, None]
            else:
                passes.scale(block, columns.start, table, first)

        fftw.transform_and_back(one, into, multiply, one.ndim, threads)
    return out
